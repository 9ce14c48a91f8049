// Labelled examples that this device keeps, and the inputs that may yet become some. Port; its adapter lies in the device's
// database. Nothing here ever leaves the device but counts.

import type { Datatype } from '@skerry/models';
import type { Result } from '@skerry/shared';

/** Who says what is right. A person's word replaces the cloud's, and not the other way round. */
export type ExampleSource = 'person' | 'cloud';
/** What whoever gave it allows. */
export type ExampleUse = 'train' | 'evaluate';

/** An input as it was asked. */
export interface KeptInput {
  readonly datatype: Datatype;
  /** Without the batch. */
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface ExampleEntry extends Omit<KeptInput, 'data'> {
  readonly id: string;
  readonly model: string;
  /** By its name: another version of the model may count its classes otherwise. */
  readonly label: string;
  readonly source: ExampleSource;
  readonly use: ExampleUse;
  readonly keptMs: number;
  /** Then it is gone. */
  readonly expiresMs: number;
  /** What it answers, where it came from a request. */
  readonly request?: string;
}

export interface Example extends ExampleEntry, KeptInput {}

/** An input whose label may come later. */
export interface AskedInput extends KeptInput {
  readonly request: string;
  readonly model: string;
  readonly askedMs: number;
}

export interface ExampleCounts {
  readonly model: string;
  readonly count: number;
  readonly bytes: number;
  readonly labels: ReadonlyMap<string, number>;
}

/** What may be kept of a model's requests, as an app or its operator has said. */
export interface Consent {
  /** Labels that people give. */
  readonly people: boolean;
  /** Labels that the cloud gives. */
  readonly cloud: boolean;
}

export interface ExampleBounds {
  readonly examplesMax: number;
  readonly bytesMax: number;
  readonly retentionMs: number;
}

/** Synchronous and durable, as the DeviceStore beside it. Fails with `storage_failed`. */
export interface ExampleStore {
  /**
   * Replaces what was kept of the same request, unless a person's word would give way to the cloud's: then it is false.
   * Where there is no room the oldest of the most frequent label leaves, so that rare labels stay. Fails with `too_large`
   * for one that could never fit.
   */
  add(example: Example): Result<boolean>;
  list(model: string): readonly ExampleEntry[];
  /** In the order of `ids`; one that is gone is left out. */
  read(ids: readonly string[]): readonly Example[];
  counts(): readonly ExampleCounts[];
  /** Without `model` all there are. Returns how many. */
  remove(which: { readonly model?: string; readonly id?: string }): Result<number>;
  /** What has outlived its time. */
  expire(nowMs: number): Result<number>;
  /** Of the oldest no more than the bounds of a wait. */
  keepAsked(asked: AskedInput): Result<void>;
  asked(request: string): AskedInput | undefined;
  forgetAsked(request: string): void;
  /** Undefined: nobody has said. */
  consent(model: string): Consent | undefined;
  /** What a withdrawn consent covered is deleted with it. */
  setConsent(model: string, consent: Consent): Result<void>;
  reference(bundle: string): readonly number[] | undefined;
  keepReference(bundle: string, counts: readonly number[]): Result<void>;
}
