// One model that can be updated, as a running process holds it: its durable record, which places are loaded, and what is
// being done about it. Everything durable goes through `apply`; what is loaded follows from the record.

import type { Bundle } from '@skerry/models/node';
import { defined, err, ok, type Result } from '@skerry/shared';
import type { Health } from '@skerry/sync-protocol/update';
import type { LiveModels, LoadedModel } from '../infer/live-models.ts';
import { createHealthMeter, type HealthMeter } from './health-meter.ts';
import { memoryOf } from './judge-fit.ts';
import type { Hold } from './plan-update.ts';
import type { Shadow } from './shadow.ts';
import type { ModelSlots } from './update-ports.ts';
import {
  type Content,
  contentOf,
  isUnderWay,
  type ModelUpdate,
  type Place,
  type Reason,
} from './update-record.ts';

export interface ManagedModel {
  readonly name: string;
  /** As the device was configured; undefined where that folder cannot be read. */
  readonly factory: Bundle | undefined;
  update: ModelUpdate;
  readonly loaded: Map<Place, LoadedModel>;
  /** By bundle, of those that are loaded. */
  readonly meters: Map<string, HealthMeter>;
  shadow?: Shadow | undefined;
  busy?: { readonly what: string; readonly abort: AbortController } | undefined;
  hold?: Hold | undefined;
  /** Holds in a row, for the backoff. */
  holds: number;
  waiting?: string | undefined;
  /** It has answered, or lived long enough: the start counts no longer. */
  proven: boolean;
}

export const contentOfBundle = ({ digest, manifest, variant }: Bundle): Content => ({
  bundle: digest,
  version: manifest.version,
  variant: variant.name,
});

/** Reads, checks, loads and tests what lies in a place; what is loaded already is at hand. */
export async function openPlace(
  model: ManagedModel,
  place: Place,
  { live, slots }: { readonly live: Pick<LiveModels, 'open'>; readonly slots: ModelSlots },
): Promise<Result<LoadedModel, Reason>> {
  const known = model.loaded.get(place);
  if (known !== undefined) return ok(known);
  const bundle = await readPlace(model, place, slots);
  if (!bundle.ok) return bundle;
  const opened = await live.open(bundle.value);
  if (opened.ok) {
    model.loaded.set(place, opened.value);
    return opened;
  }
  const { code, message } = opened.error;
  return because(code === 'invalid_bundle' ? 'self-test' : 'storage', message);
}

async function readPlace(
  { name, factory, update }: ManagedModel,
  place: Place,
  slots: ModelSlots,
): Promise<Result<Bundle, Reason>> {
  if (place === 'factory')
    return factory === undefined ? because('damaged', 'its folder cannot be read') : ok(factory);
  const { state } = update;
  const written = state.kind === 'verified' && state.slot === place ? state.content : undefined;
  const content = written ?? contentOf(update, place);
  if (content === undefined) return because('damaged', `slot ${place} is empty`);
  const read = await slots.read(name, place, content);
  if (read.ok) return read;
  const { code, message } = read.error;
  return because(code === 'storage_failed' ? 'storage' : 'damaged', message);
}

const because = (code: Reason['code'], message: string): Result<never, Reason> =>
  err({ code, message: message.slice(0, 512) });

/** The meter of a bundle; `anew` where it begins to answer. */
export function meterOf(
  { meters }: ManagedModel,
  { bundle }: LoadedModel,
  monotonicMs: () => number,
  kept?: Health | 'anew',
): HealthMeter {
  const known = meters.get(bundle.digest);
  if (known !== undefined && kept !== 'anew') return known;
  const memoryBytes = memoryOf(bundle.manifest, bundle.variant);
  const meter = createHealthMeter(memoryBytes, monotonicMs, kept === 'anew' ? undefined : kept);
  meters.set(bundle.digest, meter);
  return meter;
}

/** What the record gives no reason to keep loaded. */
export function release(model: ManagedModel, live: Pick<LiveModels, 'retire'>): void {
  const { update, loaded, meters } = model;
  const { state, active, previous } = update;
  const wanted = new Set<Place | undefined>([active]);
  if (state.kind === 'soaking') wanted.add(previous);
  if (isUnderWay(state) && 'slot' in state) wanted.add(state.slot);
  for (const [place, one] of [...loaded]) {
    if (wanted.has(place)) continue;
    loaded.delete(place);
    live.retire(one);
  }
  const bundles = new Set([...loaded.values()].map(({ bundle }) => bundle.digest));
  for (const bundle of [...meters.keys()]) if (!bundles.has(bundle)) meters.delete(bundle);
}

export const runningOf = ({ update, loaded }: ManagedModel): LoadedModel =>
  defined(loaded.get(update.active), 'what runs');
