// What the feature needs of the world. adapters/ has it; main.ts and tests choose.

import type { Datatype } from '@skerry/models';
import type { Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { LearnReply } from '@skerry/sync-protocol/learn';
import type { ExampleStore } from './example-store.ts';
import type { RoundStore } from './round-store.ts';
import type { ClientDone, ClientWork } from './run-client.ts';
import type { DeviceGraph } from './trainer.ts';

export interface LearnBlobs {
  /** All its bytes. Fails for what waiting cannot mend, and with `unavailable` when it is dropped. */
  fetch(ref: BlobRef): Promise<Result<Uint8Array>>;
  /** Nobody waits for it any longer. */
  drop(ref: BlobRef): void;
  /** Here, whole. */
  put(bytes: Uint8Array): Promise<Result<BlobRef>>;
  remove(digest: string): Promise<Result<void>>;
}

/** A model that answers on this device, as far as learning needs to know it. */
export interface LearningModel {
  readonly name: string;
  readonly bundle: string;
  readonly labels: readonly string[];
  readonly datatype: Datatype;
  /** Of one input, without the batch. */
  readonly shape: readonly number[];
  /** What plans may train of it: the graph that answers here. */
  readonly graph?: DeviceGraph;
}

/** A task that runs elsewhere. */
export interface RunningClient {
  /** `pause`: it waits between two steps; `stop`: it ends with what is done. */
  steer(command: 'go' | 'pause' | 'stop'): void;
  /** Fails with `unavailable` where it was ended, and with `internal` where whoever ran it died. */
  readonly done: Promise<Result<ClientDone>>;
  /** At once, whatever it does. */
  end(): void;
}

export interface ClientRunner {
  /** Networks that it knows by name. */
  readonly networks: readonly string[];
  /** A masked round's later stages go to who began it, and fail with `expired` where it is gone. */
  start(work: ClientWork): RunningClient;
  /** What it keeps of a masked round of that run, between two of its stages. */
  forget(run: string): void;
  /** Ends whoever is at work. */
  close(): void;
}

/** Chosen by main.ts. */
export interface LearningPorts {
  readonly examples: ExampleStore;
  readonly rounds: RoundStore;
  readonly blobs: LearnBlobs;
  readonly runner: ClientRunner;
  /** Durable when it returns, together with `effect`. Fails with `overloaded` where the outbox has no room. */
  readonly reply: (body: LearnReply, effect: () => void) => Result<void>;
  /** The same, once the coordinator has the blob. */
  readonly replyWithBlob: (body: LearnReply, blob: BlobRef, effect: () => void) => Result<void>;
}
