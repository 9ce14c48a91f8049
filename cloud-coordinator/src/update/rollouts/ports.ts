// What rollouts need of the world. The adapters over a database and the registry lie elsewhere; the fakes in
// ../../testing keep the same contracts.

import type { Result } from '@skerry/shared';
import type { Assignment, DeltaOffer } from '@skerry/sync-protocol/update';
import type { Selectable } from '../../fleet/selection.ts';
import type { BundleRef } from './rollout-event.ts';

/** The latest that a device was told to run, and why for each model. */
export interface IssuedAssignment {
  readonly assignment: Assignment;
  /** By model, what asked for it: so that who was cut off finds out whether it has been said. */
  readonly issues: Readonly<Record<string, string>>;
}

export interface SignedAssignment extends IssuedAssignment {
  /** The DSSE envelope of `assignment`. */
  readonly envelope: Uint8Array;
}

export interface AssignmentStore {
  /** Of those that were ever told anything. */
  read(devices: readonly string[]): Promise<Result<readonly IssuedAssignment[]>>;
  /**
   * Each for itself and in one transaction: where the device's counter is one less than the assignment's (0 if it was
   * told nothing), the assignment is recorded and its down op appended. Returns the devices for which it was so. Thus
   * each counter is said once, whoever tries and however often.
   */
  issue(
    assignments: readonly SignedAssignment[],
    nowMs: number,
  ): Promise<Result<readonly string[]>>;
}

/** One device as the fleet's registry has it. */
export interface FleetDevice extends Selectable {
  readonly online: boolean;
  /** When it last said what it runs. */
  readonly seenMs: number;
  /** By model, the digest of the bundle that its latest heartbeat names. */
  readonly running: Readonly<Record<string, string>>;
  /** Forms of a delta that it reads; absent: the first alone. */
  readonly deltas?: readonly number[];
}

/** In one form, which not every device reads. */
export interface MadeDelta {
  readonly form: number;
  readonly offer: DeltaOffer;
}

export interface DeviceDirectory {
  /** By name, from the one after `after` on. */
  list(devicesMax: number, after?: string): Promise<Result<readonly FleetDevice[]>>;
}

export interface ResolvedBundle extends BundleRef {
  /** Kinds of hardware that some variant of it fits; absent: nobody knows, so the device decides. */
  readonly fits?: readonly string[];
}

export interface BundleDirectory {
  /** Fails with `model_not_found`. */
  resolve(model: string, version: string): Promise<Result<ResolvedBundle>>;
  /** `undefined` where the registry has never had it: a factory's image. */
  byDigest(model: string, digest: string): Promise<Result<BundleRef | undefined>>;
  /** How to come to a bundle's files from what devices hold, as far as it is computed. */
  deltasTo?(model: string, digest: string): Promise<Result<readonly MadeDelta[]>>;
}

export interface AssignmentSigner {
  sign(assignment: Assignment): Promise<Result<Uint8Array>>;
}
