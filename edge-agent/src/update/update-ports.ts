// What the feature needs of the world. adapters/ and trust/ have it; main.ts and tests choose.

import type { Bundle } from '@skerry/models/node';
import type { Result } from '@skerry/shared';
import type { BlobRef, BlobStore } from '@skerry/sync-protocol/blobs';
import type { Health, UpdateReport } from '@skerry/sync-protocol/update';
import type { Reading } from './odometer.ts';
import type { Content, ModelUpdate, Slot } from './update-record.ts';

/** Who may say what runs here: the director, who signs assignments, and the targets role, which signs bundles. */
export interface UpdateTrust {
  /** The payload, where the director has signed it. Fails with `untrusted` or `malformed_message`. */
  verifyAssignment(envelope: Uint8Array): Promise<Result<Uint8Array>>;
  /**
   * Takes newer metadata, all that leads to `path`: from the bytes that an assignment names, or over the wire. Fails with `untrusted` for what
   * nobody has signed or what goes back, `expired`, or, where there is nothing to read it from, `unavailable`.
   */
  refresh(metadata: Uint8Array | undefined, path?: string): Promise<Result<void>>;
  /** Which metadata an envelope names, before anybody has verified it: metadata proves itself. */
  metadataOf(envelope: Uint8Array): BlobRef | undefined;
  /** What the targets role says of a path. Fails with `not_found`, and as `refresh` does. */
  target(path: string): Promise<Result<BlobRef>>;
  /**
   * The signed files that say what the path stands for, to be kept beside it; those of `kept`, with what else proves them by now.
   * Fails with `not_found` and `untrusted`.
   */
  evidence(path: string, kept?: Uint8Array): Promise<Result<Uint8Array>>;
  /**
   * That the path stood for these bytes once, by what was kept, and where nothing was by what is accepted now: no network,
   * and nothing expires. Fails with `untrusted` or `not_found`.
   */
  verifyEvidence(
    evidence: Uint8Array | undefined,
    path: string,
    digest: string,
  ): Promise<Result<void>>;
  /** A bundle that runs here to stay: nothing of a lower release is a target afterwards. */
  confirmed(path: string, digest: string): Promise<Result<void>>;
}

/** What was durable when a process began. */
export interface KeptUpdates {
  /** Of the last assignment taken; 0 before the first. */
  readonly counter: number;
  readonly reading: Reading | undefined;
  /** By bundle. */
  readonly health: Readonly<Record<string, Health>>;
}

/** Durable; synchronous, as the DeviceStore beside it, whose transactions it shares. */
export interface UpdateStore {
  kept(): KeptUpdates;
  load(model: string): ModelUpdate | undefined;
  /**
   * The record, and the report's op in the outbox, durable together when it returns. A full outbox does not hold up an
   * update: the report is owed then, and `sendOwed` appends it when there is room.
   */
  save(model: string, update: ModelUpdate, report: UpdateReport | undefined): Result<void>;
  sendOwed(): Result<void>;
  /** Of what there is no record: a model that is not on this device. */
  report(report: UpdateReport): Result<void>;
  /** How often the process has begun since this model last answered. */
  countStart(model: string, starts: 'more' | 'none'): Result<number>;
  /** Of `health` all that there is, where it is given. */
  keep(
    counter: number,
    reading: Reading,
    health: Readonly<Record<string, Health>> | undefined,
  ): Result<void>;
}

/** The newest assignment that has come and was not taken yet: each replaces the one before. */
export interface AssignmentInbox {
  /** Inside the transaction that applies the op. */
  put(envelope: Uint8Array): void;
  get(): Uint8Array | undefined;
  /** It is dealt with; a newer one, which came meanwhile, stays. */
  remove(envelope: Uint8Array): Result<void>;
}

/** Folders of bundles, two to a model. */
export interface ModelSlots {
  /** Durable when it resolves; what lay there is gone. Fails with `storage_failed`. */
  write(model: string, slot: Slot, files: readonly SlotFile[]): Promise<Result<void>>;
  /** Every digest checked, the bundle's own too. Fails with `invalid_bundle` or `digest_mismatch`. */
  read(model: string, slot: Slot, content: Content): Promise<Result<Bundle>>;
  /** What was written as `evidencePath`; undefined where nothing was. */
  readEvidence(model: string, slot: Slot): Promise<Result<Uint8Array | undefined>>;
  /** In the place of what lies there, which stays where it fails. */
  writeEvidence(model: string, slot: Slot, evidence: Uint8Array): Promise<Result<void>>;
  /** Free on the disk that they lie on. */
  freeBytes(): Promise<Result<number>>;
}

/** In a slot, beside the bundle's files. */
export const evidencePath = 'evidence.json';

export interface SlotFile {
  /** In the slot's folder, as a manifest has it. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface UpdateBlobs
  extends Pick<BlobStore, 'holding' | 'read' | 'write' | 'finish' | 'remove'> {
  /** ok: whole in the store. Fails for what waiting cannot mend, and with `unavailable` when it is dropped. */
  fetch(ref: BlobRef): Promise<Result<void>>;
  /** Nobody waits for it any longer. */
  drop(ref: BlobRef): void;
  /** Its bytes lie in a slot now: needed here no longer. */
  release(digest: string): Promise<Result<void>>;
}

/** models/src/node/delta: the target's bytes, from the base's. Fails for another base, and for what is no delta of it. */
export type ApplyDelta = (
  delta: Uint8Array,
  base: Uint8Array | undefined,
  signal: AbortSignal,
) => Promise<Result<Uint8Array>>;
