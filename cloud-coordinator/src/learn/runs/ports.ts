// What learning runs need of the world. The adapters over a database and a bundle's files lie elsewhere; the fakes in
// ../../testing keep the same contracts.

import type { Result } from '@skerry/shared';
import type { DownBody } from '@skerry/sync-protocol';
import type { BlobStore } from '@skerry/sync-protocol/blobs';
import type { LearnPlan, ParameterLayout } from '@skerry/sync-protocol/learn';
import type { RunEventOf } from './run-event.ts';
import type { RunPlan } from './run-plan.ts';
import type { RunState } from './run-state.ts';
import type { LearnDevice } from './select-clients.ts';

export interface LearnDevices {
  list(): readonly LearnDevice[];
}

/** What each device was last told of each run. */
export interface TaskStore {
  /**
   * In one transaction: where the last that `device` was told of `run` has another name, this is recorded and its down op
   * appended, and the one before, if it still waits, is said no more. Returns whether it was so. Thus each is said once,
   * whoever tries and however often.
   */
  say(
    device: string,
    run: string,
    name: string,
    body: DownBody,
    nowMs: number,
  ): Promise<Result<boolean>>;
  /** Of a run that has ended: what is said of it after this is said anew. */
  forget(run: string): Promise<Result<void>>;
}

/** The model that a run begins from. */
export interface BaseModel {
  readonly version: string;
  /** sha256 of its manifest. */
  readonly bundle: string;
  readonly network: LearnPlan['network'];
  readonly layout: ParameterLayout;
  readonly parameters: Float32Array<ArrayBuffer>;
}

/** The version that a query is about. */
export interface QueriedBase extends Pick<BaseModel, 'version' | 'bundle'> {
  readonly labels: readonly string[];
}

export interface BaseModels {
  /** Fails with `model_not_found`, and with `invalid_argument` where it cannot be trained so. */
  open(plan: Pick<RunPlan, 'model' | 'base' | 'network' | 'trains'>): Promise<Result<BaseModel>>;
  /** Without its weights. Fails with `model_not_found`. */
  describe(plan: Pick<RunPlan, 'model' | 'base'>): Promise<Result<QueriedBase>>;
}

/** What a run comes to, beside its weights. */
export interface Candidates {
  /** The model as it is now, on the examples that the operator has held out. */
  evaluate(state: RunState): Promise<Result<Readonly<Record<string, number>>>>;
  /** Makes the candidate and registers it; the same bytes again are the same version. Fails for good where it may not be. */
  publish(state: RunState): Promise<Result<Omit<RunEventOf<'published'>, 'kind' | 'atMs'>>>;
  /** Begins the rollout that the plan asks for, and says its name. Fails while nobody has signed the version. */
  rollOut(state: RunState, version: string): Promise<Result<string>>;
}

/** The blobs that a device may read: it cannot name another's update as its own. */
export type BlobsOf = (device: string) => Pick<BlobStore, 'holding' | 'read'>;
