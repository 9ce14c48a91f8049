// The steps of plan-update.ts that take time, one function each: what comes of it is an event, or why it stopped. None of
// them changes what is durable but the files of a slot that the record says is empty.

import type { Clock, Random, Result } from '@skerry/shared';
import { err, type Failure, ok } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { LiveModels } from '../infer/live-models.ts';
import { fetchBundle, type Stop } from './fetch-bundle.ts';
import { type DeviceLimits, memoryOf } from './judge-fit.ts';
import { forget, type ManagedModel, meterOf, openPlace, runningOf } from './managed-model.ts';
import type { Step } from './plan-update.ts';
import { createShadow } from './shadow.ts';
import {
  type ApplyDelta,
  evidencePath,
  type ModelSlots,
  type UpdateBlobs,
  type UpdateTrust,
} from './update-ports.ts';
import { type Goal, isUnderWay, type Reason, reasonCodes } from './update-record.ts';
import type { UpdateEvent } from './update-state.ts';

export interface StepPorts {
  readonly live: LiveModels;
  readonly slots: ModelSlots;
  readonly blobs: UpdateBlobs;
  readonly trust: UpdateTrust;
  readonly applyDelta?: ApplyDelta | undefined;
  readonly sha256: (bytes: Uint8Array) => string;
  readonly limits: DeviceLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly waiting: () => number;
  readonly computeMilliwatts: number;
}

export type LongStep = Extract<Step['kind'], 'begin' | 'fetch' | 'stage' | 'shadow' | 'activate'>;
/** Undefined: done, and nothing durable follows from it. */
type Outcome = Result<UpdateEvent | undefined, Stop>;
type RunStep = (
  model: ManagedModel,
  goal: Goal,
  ports: StepPorts,
  signal: AbortSignal,
) => Promise<Outcome>;

export const stepNames: Record<LongStep, string> = {
  begin: 'asks whether the bundle is signed',
  fetch: 'fetches',
  stage: 'writes the slot and tests it',
  shadow: 'loads the candidate',
  activate: 'activates',
};

export const runStep: { readonly [K in LongStep]: RunStep } = {
  /** [UPD11] Nothing of a bundle is fetched before both who assign and who sign bundles mean the same bytes. */
  async begin(_model, { terms, metadata }, { trust, blobs }, signal) {
    const brought = await bringMetadata(metadata, blobs);
    if (!brought.ok) return hold(brought.error);
    // Also for what nobody has signed: whoever stands between, a captive portal say, must not end an update.
    const refreshed = await trust.refresh(brought.value, terms.target);
    if (!refreshed.ok) return hold(refreshed.error);
    const target = await trust.target(terms.target);
    if (!target.ok) return distrust(target.error);
    if (signal.aborted) return ok(undefined);
    const { digest, bytes } = terms.bundle;
    if (target.value.digest === digest && target.value.bytes === bytes)
      return ok({ kind: 'begun' });
    const message = `${terms.target} is ${target.value.digest}, the assignment says ${digest}`;
    return err({ kind: 'refuse', reason: { code: 'untrusted', message } });
  },

  async fetch(model, goal, ports, signal) {
    const fetched = await bringBundle(model, goal, ports, signal);
    if (!fetched.ok) return fetched;
    const { manifest, variant, moved } = fetched.value;
    const content = { bundle: goal.bundle, version: manifest.version, variant: variant.name };
    return ok({ kind: 'fetched', content, moved });
  },

  async stage(model, goal, ports, signal) {
    const { state } = model.update;
    if (state.kind !== 'verified') return ok(undefined);
    // All of it is here, and is read again: a restart may lie between.
    const fetched = await bringBundle(model, goal, ports, signal);
    if (!fetched.ok || signal.aborted) return fetched.ok ? ok(undefined) : fetched;
    const evidence = await ports.trust.evidence(goal.terms.target);
    // Newer metadata may say what this does not: the next try begins by asking for it.
    if (!evidence.ok) return hold(evidence.error);
    forget(model, state.slot, ports.live);
    const files = [{ path: evidencePath, bytes: evidence.value }, ...fetched.value.files];
    const written = await ports.slots.write(model.name, state.slot, files);
    if (!written.ok) return hold(written.error);
    const opened = await openPlace(model, state.slot, ports);
    if (!opened.ok) return stopOf(opened.error);
    model.spent = fetched.value.blobs.map(({ digest }) => digest);
    return ok({ kind: 'staged' });
  },

  async shadow(model, { terms }, ports) {
    const { state } = model.update;
    if ((state.kind !== 'staged' && state.kind !== 'shadowing') || terms.shadow === undefined)
      return ok(undefined);
    const opened = await openPlace(model, state.slot, ports);
    if (!opened.ok) return stopOf(opened.error);
    const { bundle, model: candidate } = opened.value;
    model.shadow = createShadow(candidate, terms.shadow, {
      ...ports,
      memoryBytes: memoryOf(bundle.manifest, bundle.variant),
    });
    return ok(state.kind === 'staged' ? { kind: 'shadow-begun' } : undefined);
  },

  async activate(model, _goal, ports) {
    const { state } = model.update;
    if (state.kind !== 'activating') return ok(undefined);
    const opened = await openPlace(model, state.slot, ports);
    if (!opened.ok) return stopOf(opened.error);
    const meter = meterOf(model, runningOf(model), ports.clock.monotonicMs);
    return ok({ kind: 'activated', baseline: meter.read() });
  },
};

async function bringBundle(model: ManagedModel, goal: Goal, ports: StepPorts, signal: AbortSignal) {
  const running = runningOf(model).bundle;
  const bases = new Map<string, Uint8Array>();
  const bundles = [...model.loaded.values()].map(({ bundle }) => bundle);
  if (model.factory) bundles.push(model.factory);
  for (const slot of ['a', 'b'] as const) {
    const content = model.update.slots[slot];
    if (content === undefined || model.loaded.has(slot)) continue;
    const read = await ports.slots.read(model.name, slot, content);
    if (read.ok) bundles.push(read.value);
  }
  for (const { variant, stages } of bundles)
    for (const [stage, bytes] of stages) {
      const digest = variant.files[stage]?.sha256;
      if (digest !== undefined) bases.set(digest, bytes);
    }
  return fetchBundle(goal, { ...ports, bases, incumbent: running.manifest, signal });
}

export async function bringMetadata(
  ref: BlobRef | undefined,
  blobs: Pick<UpdateBlobs, 'fetch' | 'read'>,
): Promise<Result<Uint8Array | undefined>> {
  if (ref === undefined) return ok(undefined);
  const fetched = await blobs.fetch(ref);
  return fetched.ok ? blobs.read(ref.digest, 0, ref.bytes) : fetched;
}

/** By metadata that is current: expired metadata may be newer tomorrow. */
function distrust(failure: Failure): Outcome {
  if (failure.retryable) return hold(failure);
  return err({
    kind: 'refuse',
    reason: { code: 'untrusted', message: failure.message.slice(0, 512) },
  });
}

const hold = ({ code, message }: Failure): Outcome =>
  err({ kind: 'hold', reason: { code: 'storage', message: `${code}: ${message}`.slice(0, 512) } });

/** A bundle that fails its own golden inputs fails for good; what the device could not do may be done later. */
function stopOf(reason: Reason): Outcome {
  const isLater = reason.code === 'storage' && reasonCodes[reason.code] === 'device';
  return err({ kind: isLater ? 'hold' : 'fail', reason });
}

/** Of a state under way. */
export const goalOf = ({ update: { state } }: ManagedModel): Goal | undefined =>
  isUnderWay(state) ? state.goal : undefined;
