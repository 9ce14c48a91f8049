// Which bundle of a model runs when the process starts: the active one, else the place before it, else the other slot,
// else the bundle that the device was configured with. Each is read digest by digest and passes its golden inputs first,
// so a device that has one good bundle left runs it. A bundle that ends the process again and again comes last but for
// those in quarantine, and what no evidence says was signed comes last of all: even that is better than no model.

import { err, failure, type Log, ok, type Result } from '@skerry/shared';
import type { LiveModels } from '../infer/live-models.ts';
import { keepEvidence } from './keep-evidence.ts';
import { type ManagedModel, openPlace } from './managed-model.ts';
import type { ModelSlots, UpdateStore, UpdateTrust } from './update-ports.ts';
import {
  barredPlaces,
  type ModelUpdate,
  type Place,
  placesBehind,
  type Reason,
} from './update-record.ts';
import type { UpdateEvent } from './update-state.ts';

/** Starts without an answer, after which the bundle is to blame; of a candidate, short lives in a row. */
export const startsMax = 3;
/** A process that lived longer was ended by something else: on solar power, by the night. Its soak is judged all the same. */
export const shortLifeMs = 120_000;

export interface BootPorts {
  readonly live: LiveModels;
  readonly slots: ModelSlots;
  readonly store: Pick<UpdateStore, 'countStart'>;
  readonly trust: Pick<UpdateTrust, 'evidence' | 'verifyEvidence'>;
  readonly log: Log;
}

/** Serves what runs; returns the event where that is not what should. Fails where nothing does. */
export async function bootModel(
  model: ManagedModel,
  ports: BootPorts,
): Promise<Result<UpdateEvent | undefined>> {
  const { live, store, log } = ports;
  const { name, update } = model;
  // Durable before anything is loaded: what the bundle does to this process must be seen by the next.
  const counted = store.countStart(name, 'more');
  const starts = counted.ok ? counted.value : 0;
  if (!counted.ok) log.error({ model: name, code: counted.error.code }, counted.error.message);
  const behind = placesBehind(update, update.active);
  const looped = behind.length > 0 ? loopOf(update, starts) : undefined;
  let against: Reason | undefined = looped;
  const { active } = update;
  const places: readonly Place[] = [
    ...(looped ? [...behind, active] : [active, ...behind]),
    ...barredPlaces(update).filter((place) => place !== active),
  ];
  const unproven: Place[] = [];
  const attempts = function* () {
    for (const place of places) yield { place, through: ports };
    // [UPD21] Even that is better than no model.
    for (const place of unproven) yield { place, through: withoutQuestions(ports) };
  };
  for (const { place, through } of attempts()) {
    const opened = await openPlace(model, place, through);
    if (opened.ok) {
      live.serve(opened.value);
      await keepEvidence(model, ports);
      if (place === update.active || against === undefined) return ok(undefined);
      log.error({ model: name, from: update.active, to: place }, `fell back: ${against.message}`);
      // It has its own starts, of which this is the first.
      store.countStart(name, 'none');
      store.countStart(name, 'more');
      return ok({ kind: 'fell-back', to: place, reason: against });
    }
    log.error({ model: name, place, code: opened.error.code }, opened.error.message);
    against ??= opened.error;
    if (unprovenCodes.has(opened.error.code)) unproven.push(place);
  }
  const why = against?.message ?? 'nothing to load';
  return err(failure('invalid_bundle', `${name}: no place holds a bundle that runs: ${why}`));
}

/** Also where the evidence, or what it is held against, cannot be read: the bundle may be sound all the same. */
const unprovenCodes: ReadonlySet<Reason['code']> = new Set(['untrusted', 'storage']);

const withoutQuestions = (ports: BootPorts): BootPorts => ({
  ...ports,
  slots: { ...ports.slots, readEvidence: async () => ok(undefined) },
  trust: { ...ports.trust, verifyEvidence: async () => ok(undefined) },
});

/** Also a candidate that answers at first, and then ends the process each time. */
function loopOf({ state }: ModelUpdate, starts: number): Reason | undefined {
  const loop = (message: string): Reason => ({ code: 'crash-loop', message });
  if (starts > startsMax) return loop(`${starts - 1} starts, and it answered nobody`);
  const restarts = state.kind === 'soaking' ? (state.restarts ?? 0) : 0;
  return restarts > startsMax
    ? loop(`${restarts} starts in a row while it soaked, none of which lasted ${shortLifeMs} ms`)
    : undefined;
}
