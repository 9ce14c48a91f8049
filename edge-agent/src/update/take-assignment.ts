// The newest assignment, from the bytes that came to the models' goals. Nothing of it counts before the director's
// signature has been verified; what does not rise above what was taken before is a replay, and is refused.

import type { Clock, Log, Random, Result } from '@skerry/shared';
import {
  type Assignment,
  armOf,
  type ModelAssignment,
  readAssignment,
} from '@skerry/sync-protocol/update';
import type { ManagedModel } from './managed-model.ts';
import type { Odometer } from './odometer.ts';
import type {
  AssignmentInbox,
  KeptUpdates,
  UpdateBlobs,
  UpdateStore,
  UpdateTrust,
} from './update-ports.ts';
import type { Goal } from './update-record.ts';
import type { UpdateEvent } from './update-state.ts';
import { bringMetadata } from './update-steps.ts';

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
}

export interface Intake {
  /** True: there is a new goal. */
  take(): Promise<boolean>;
  /** One has come and could not be taken yet. */
  waits(): boolean;
  counter(): number;
  /** The last assignment that was not taken, and why. */
  refused(): Refusal | undefined;
}

export interface IntakePorts {
  readonly inbox: AssignmentInbox;
  readonly trust: Pick<UpdateTrust, 'verifyAssignment' | 'metadataOf' | 'refresh'>;
  readonly blobs: Pick<UpdateBlobs, 'fetch' | 'read' | 'drop'>;
  readonly store: Pick<UpdateStore, 'keep' | 'report'>;
  readonly kept: KeptUpdates;
  readonly models: ReadonlyMap<string, ManagedModel>;
  readonly odometer: Odometer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** False: it is not durable. */
  readonly apply: (model: ManagedModel, event: UpdateEvent) => boolean;
}

const retryAfterMs = 30_000;
/** For metadata that an envelope names which is not verified yet. */
const bringTimeoutMs = 60_000;

export function createTakeAssignment(device: string, ports: IntakePorts): Intake {
  const { inbox, trust, blobs, store, models, odometer, clock, random, log } = ports;
  let { counter } = ports.kept;
  let refused: Refusal | undefined;
  let taking = false;
  let tried: Uint8Array | undefined;
  let nextTryRanMs = 0;

  const refuse = (envelope: Uint8Array, code: string, message: string): false => {
    refused = { code, message, atMs: odometer.read().wallMs };
    log.warn({ code }, `assignment refused: ${message}`);
    inbox.remove(envelope);
    return false;
  };

  /** False: the disk refused; the envelope stays, and what was taken of it stays as it is. */
  const takeAll = (assignment: Assignment): boolean => {
    const { counter: its, quarantined: bundles, mode } = assignment;
    for (const model of models.values()) {
      if (!ports.apply(model, { kind: 'forbid', counter: its, bundles })) return false;
      const reason = { code: 'stopped', message: 'the director has stopped all updates' } as const;
      if (mode === 'stop' && !ports.apply(model, { kind: 'stop', counter: its, reason }))
        return false;
    }
    if (mode === 'stop') return true;
    for (const terms of assignment.models) {
      const model = models.get(terms.model);
      if (model === undefined) {
        if (!reportUnknown(terms, its).ok) return false;
        continue;
      }
      const goal = drawGoal(device, terms, assignment, odometer, random);
      if (!ports.apply(model, { kind: 'assign', goal })) return false;
    }
    return true;
  };

  const reportUnknown = (
    { model, version, bundle, rollout }: ModelAssignment,
    its: number,
  ): Result<void> =>
    store.report({
      kind: 'update-report',
      model,
      version,
      bundle: bundle.digest,
      counter: its,
      ...(rollout === undefined ? {} : { rollout: rollout.id }),
      state: 'refused',
      attempt: 1,
      reason: { code: 'misfit', message: 'this device has no model of that name that is updated' },
    });

  /** The director's keys may be new: they stand in the root, so newer metadata has the last word. */
  const verify = async (envelope: Uint8Array): Promise<Result<Uint8Array>> => {
    const verified = await trust.verifyAssignment(envelope);
    if (verified.ok || verified.error.code !== 'untrusted') return verified;
    const named = trust.metadataOf(envelope);
    // Nobody has signed that yet: it must not hold up the assignment that comes after it.
    const timer = clock.after(bringTimeoutMs, () => named && blobs.drop(named));
    const brought = await bringMetadata(named, blobs);
    timer.cancel();
    // Later, unless waiting cannot mend it: it may be a stop, by a director whose key is newer than what is known here.
    if (!brought.ok) return brought.error.retryable ? brought : verified;
    const refreshed = await trust.refresh(brought.value);
    // Whoever needs it again finds it here still, or asks again: nobody but them wants it.
    if (named !== undefined) blobs.drop(named);
    if (!refreshed.ok && refreshed.error.retryable) return refreshed;
    return trust.verifyAssignment(envelope);
  };

  const takeOne = async (envelope: Uint8Array): Promise<boolean> => {
    const verified = await verify(envelope);
    if (!verified.ok) {
      const { code, message, retryable } = verified.error;
      if (!retryable) return refuse(envelope, code, message);
      refused = { code, message, atMs: odometer.read().wallMs };
      nextTryRanMs = odometer.read().ranMs + retryAfterMs;
      return false;
    }
    const read = readAssignment(verified.value);
    if (!read.ok) return refuse(envelope, read.error.code, read.error.message);
    const assignment = read.value;
    if (assignment.device !== device)
      return refuse(envelope, 'untrusted', `it is for ${assignment.device}, this is ${device}`);
    if (assignment.counter < counter)
      return refuse(envelope, 'untrusted', `a replay: ${assignment.counter} after ${counter}`);
    if (assignment.counter > counter) {
      const raised = takeAll(assignment)
        ? store.keep(assignment.counter, odometer.read(), undefined)
        : undefined;
      if (!raised?.ok) {
        const message = 'it could not be made durable';
        refused = { code: 'storage_failed', message, atMs: odometer.read().wallMs };
        return false;
      }
      counter = assignment.counter;
      refused = undefined;
    }
    return inbox.remove(envelope).ok;
  };

  return {
    async take() {
      const envelope = inbox.get();
      if (taking || envelope === undefined) return false;
      const isSame = tried !== undefined && Buffer.compare(envelope, tried) === 0;
      if (isSame && odometer.read().ranMs < nextTryRanMs) return false;
      taking = true;
      tried = envelope;
      try {
        return await takeOne(envelope);
      } finally {
        taking = false;
      }
    },
    waits: () => inbox.get() !== undefined,
    counter: () => counter,
    refused: () => refused,
  };
}

/** Within the assignment's windows, drawn once and kept: so a fleet does not come at once, nor does a restart draw anew. */
function drawGoal(
  device: string,
  terms: ModelAssignment,
  { counter, issuedMs, metadata }: Assignment,
  odometer: Odometer,
  random: Random,
): Omit<Goal, 'attempt'> {
  const { ranMs, passedMs } = odometer.read();
  const draw = ({ afterMs, windowMs }: ModelAssignment['fetch']): number =>
    afterMs + Math.floor(random.next() * windowMs);
  return {
    bundle: terms.bundle.digest,
    version: terms.version,
    counter,
    ...(terms.rollout === undefined ? {} : { rollout: terms.rollout.id }),
    terms,
    issuedMs,
    ...(metadata === undefined ? {} : { metadata }),
    taken: { ranMs, passedMs },
    fetchDelayMs: draw(terms.fetch),
    activateDelayMs: draw(terms.activate),
    ...(terms.experiment === undefined ? {} : { arm: armOf(terms.experiment, device) }),
  };
}
