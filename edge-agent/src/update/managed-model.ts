// One model that can be updated, as a running process holds it: its durable record, which places are loaded, and what is
// being done about it. Everything durable goes through `apply`; what is loaded follows from the record.

import { bundleTargetPath } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { defined, err, type FailureCode, ok, type Result } from '@skerry/shared';
import type { Health } from '@skerry/sync-protocol/update';
import type { LiveModels, LoadedModel } from '../infer/live-models.ts';
import { createHealthMeter, type HealthMeter } from './health-meter.ts';
import { memoryOf } from './judge-fit.ts';
import type { Hold } from './plan-update.ts';
import type { Shadow } from './shadow.ts';
import type { ModelSlots, UpdateTrust } from './update-ports.ts';
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
  /** What is being loaded, by place and content: whoever asks for it meanwhile waits for the same. */
  readonly loading: Map<string, Promise<Result<LoadedModel, Reason>>>;
  /** By bundle, of those that are loaded. */
  readonly meters: Map<string, HealthMeter>;
  /** Digests of blobs that are needed until the slot that they were written to is in the record. */
  spent: readonly string[];
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

type OpenPorts = {
  readonly live: Pick<LiveModels, 'open' | 'retire' | 'classifiers'>;
  readonly slots: ModelSlots;
  readonly trust: Pick<UpdateTrust, 'verifyEvidence'>;
};

/** Verifies, reads, checks, loads and tests what lies in a place; what is loaded already is at hand. */
export async function openPlace(
  model: ManagedModel,
  place: Place,
  ports: OpenPorts,
): Promise<Result<LoadedModel, Reason>> {
  const content = contentAt(model, place);
  const known = model.loaded.get(place);
  if (known !== undefined && isOf(known, content)) return ok(known);
  const key = `${place} ${content?.bundle} ${content?.variant}`;
  const loading =
    model.loading.get(key) ??
    load(model, place, content, ports).finally(() => model.loading.delete(key));
  model.loading.set(key, loading);
  return loading;
}

async function load(
  model: ManagedModel,
  place: Place,
  content: Content | undefined,
  { live, ...ports }: OpenPorts,
): Promise<Result<LoadedModel, Reason>> {
  const bundle = await readPlace(model, place, content, ports);
  if (!bundle.ok) return bundle;
  const opened = await live.open(bundle.value);
  if (!opened.ok) {
    const { code, message } = opened.error;
    return because(code === 'invalid_bundle' ? 'self-test' : 'storage', message);
  }
  if (isOf(opened.value, contentAt(model, place))) {
    forget(model, place, live);
    model.loaded.set(place, opened.value);
    return opened;
  }
  live.retire(opened.value);
  return because('storage', `another bundle lies in ${place} by now`);
}

/** Also of a slot that is being written. */
function contentAt({ update }: ManagedModel, place: Place): Content | undefined {
  const { state } = update;
  const written = state.kind === 'verified' && state.slot === place ? state.content : undefined;
  return written ?? contentOf(update, place);
}

const isOf = ({ bundle }: LoadedModel, content: Content | undefined): boolean =>
  bundle.digest === content?.bundle && bundle.variant.name === content.variant;

const unprovenCodes: ReadonlySet<FailureCode> = new Set(['untrusted', 'not_found']);

async function readPlace(
  { name, factory }: ManagedModel,
  place: Place,
  content: Content | undefined,
  { slots, trust }: Omit<OpenPorts, 'live'>,
): Promise<Result<Bundle, Reason>> {
  if (place === 'factory')
    return factory === undefined ? because('damaged', 'its folder cannot be read') : ok(factory);
  if (content === undefined) return because('damaged', `slot ${place} is empty`);
  // [UPD21]
  const evidence = await slots.readEvidence(name, place);
  if (!evidence.ok) return because('storage', evidence.error.message);
  const path = bundleTargetPath(name, content.version);
  const proven = await trust.verifyEvidence(evidence.value, path, content.bundle);
  if (!proven.ok) {
    // A disk that cannot be read says nothing of who has signed.
    const code = unprovenCodes.has(proven.error.code) ? 'untrusted' : 'storage';
    return because(code, `slot ${place}: ${proven.error.message}`);
  }
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

/** Unloads what was loaded from there. What answers goes on until something else does. */
export function forget(
  { name, loaded }: ManagedModel,
  place: Place,
  live: Pick<LiveModels, 'retire' | 'classifiers'>,
): void {
  const one = loaded.get(place);
  loaded.delete(place);
  if (one !== undefined && live.classifiers.get(name) !== one.model) live.retire(one);
}

/** What the record gives no reason to keep loaded, but for what still answers. */
export function release(
  model: ManagedModel,
  live: Pick<LiveModels, 'retire' | 'classifiers'>,
): void {
  const { update, loaded, meters } = model;
  const { state, active, previous } = update;
  const wanted = new Set<Place | undefined>([active]);
  if (state.kind === 'soaking') wanted.add(previous);
  if (isUnderWay(state) && 'slot' in state) wanted.add(state.slot);
  for (const [place, one] of [...loaded]) {
    if (wanted.has(place) || live.classifiers.get(model.name) === one.model) continue;
    forget(model, place, live);
  }
  const bundles = new Set([...loaded.values()].map(({ bundle }) => bundle.digest));
  for (const bundle of [...meters.keys()]) if (!bundles.has(bundle)) meters.delete(bundle);
}

export const runningOf = ({ update, loaded }: ManagedModel): LoadedModel =>
  defined(loaded.get(update.active), 'what runs');
