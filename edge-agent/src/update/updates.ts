// Updates of this device's models: keeps each on its way from what runs to what shall. The newest assignment is the goal;
// update-state.ts says where a model stands, plan-update.ts what is next, update-steps.ts does it. Each transition is
// durable, its report with it, before anything follows from it: so whatever ends the process, the next one goes on.

import type { Tensor } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import {
  type Clock,
  type Failure,
  type Log,
  messageOf,
  ok,
  type Random,
  type Result,
  type Timer,
} from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { UpdateReport } from '@skerry/sync-protocol/update';
import { bootModel, shortLifeMs } from './boot-model.ts';
import type { Stop } from './fetch-bundle.ts';
import type { HealthMeter } from './health-meter.ts';
import {
  contentOfBundle,
  type ManagedModel,
  meterOf,
  openPlace,
  release,
  runningOf,
} from './managed-model.ts';
import { createOdometer, type Odometer } from './odometer.ts';
import { planUpdate, type Step, type UpdateWorld } from './plan-update.ts';
import { reportOf } from './report-of.ts';
import type { Shadow } from './shadow.ts';
import { createTakeAssignment, type Intake } from './take-assignment.ts';
import type { AssignmentInbox, UpdateStore } from './update-ports.ts';
import { initialUpdate, isUnderWay, placesBehind, type UpdateRecord } from './update-record.ts';
import { transition, type UpdateEvent } from './update-state.ts';
import { goalOf, type LongStep, runStep, type StepPorts, stepNames } from './update-steps.ts';
import { createUpdateView, type UpdateView } from './update-view.ts';

export interface UpdatesPorts extends StepPorts {
  readonly store: UpdateStore;
  readonly inbox: AssignmentInbox;
  readonly linkUp: () => boolean;
  readonly onAppended: () => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Updates extends UpdateView {
  /** Loads and serves what this model shall run. @param factory undefined where its folder cannot be read */
  boot(name: string, factory: Bundle | undefined): Promise<Result<void>>;
  /** Something may have changed: an assignment, the link. */
  wake(): void;
  /** Of a bundle that is loaded. */
  meter(name: string, bundle: string): HealthMeter | undefined;
  answered(name: string): void;
  /** See shadow.ts. */
  offer(name: string, input: Tensor): ReturnType<Shadow['offer']>;
  /** The last assignment that was not taken. */
  refused: Intake['refused'];
  /** One has come and could not be taken yet. */
  waits: Intake['waits'];
  close(): void;
}

const busyTickMs = 1_000;
const idleTickMs = 60_000;
/** Time and counts that a crash may cost. */
const keepEveryMs = 60_000;
/** Then a start counts as good, also where nobody has asked. */
const provenAfterMs = 30_000;
const holdBackoff = { initialMs: 5_000, maxMs: 300_000 };
/** Transitions without a wait: a way through the machine has fewer. */
const stepsMax = 16;

export function createUpdates(device: string, metered: boolean, ports: UpdatesPorts): Updates {
  const { store, live, clock, log } = ports;
  const kept = store.kept();
  const odometer: Odometer = createOdometer(clock, kept.reading);
  const startedMs = clock.monotonicMs();
  const models = new Map<string, ManagedModel>();
  const view = createUpdateView(models, odometer);
  let keptAtMs = startedMs;
  let timer: Timer | undefined;
  let wasUp = false;
  let closed = false;

  const report = (model: ManagedModel): UpdateReport | undefined =>
    reportOf(model.name, model.update);

  /** False: the disk refused, and nothing has happened. */
  const apply = (model: ManagedModel, event: UpdateEvent): boolean => {
    const { update, effects } = transition(model.update, event, odometer.read());
    if (update === model.update) return true;
    const next = { ...model, update };
    const told = effects.some(({ kind }) => kind === 'report') ? report(next) : undefined;
    const saved = store.save(model.name, update, told);
    if (!saved.ok) {
      // Nor again at once: what led here may have written a slot.
      hold(model, `not durable: ${saved.error.message}`);
      return false;
    }
    dropMetadata(model.update.state, update.state);
    model.update = update;
    model.hold = undefined;
    model.holds = 0;
    if (told !== undefined) {
      view.told(told);
      const { state, reason } = told;
      log.info(
        { model: model.name, version: told.version, state, reason: reason?.message },
        'update',
      );
      ports.onAppended();
    }
    for (const effect of effects)
      if (effect.kind === 'abandon') abandon(model);
      else if (effect.kind === 'serve') serveActive(model, event.kind === 'activated');
    if (event.kind === 'confirmed' || event.kind === 'assign') tellConfirmed(model);
    if (update.state.kind !== 'shadowing') model.shadow = undefined;
    if (event.kind === 'staged') releaseSpent(model);
    release(model, live);
    return true;
  };

  /** It is read once, before anything begins; nobody else waits for it, so a full store may do without. */
  const dropMetadata = (before: UpdateRecord, after: UpdateRecord): void => {
    const old = metadataFor(before);
    if (old !== undefined && old.digest !== metadataFor(after)?.digest) ports.blobs.drop(old);
  };

  /** There is no way back behind its release from here on. */
  const tellConfirmed = ({ update: { state } }: ManagedModel): void => {
    if (state.kind !== 'confirmed') return;
    const { bundle, terms } = state.goal;
    ports.trust.confirmed(terms.target, bundle).then(logged).catch(bug);
  };

  const releaseSpent = (model: ManagedModel): void => {
    const { spent } = model;
    model.spent = [];
    // One by one; what a crash leaves is evicted when room is needed.
    const all = async (): Promise<void> => {
      for (const digest of spent) logged(await ports.blobs.release(digest));
    };
    all().catch(bug);
  };

  const abandon = (model: ManagedModel): void => {
    model.busy?.abort.abort();
    model.busy = undefined;
    model.shadow = undefined;
  };

  const serveActive = (model: ManagedModel, anew: boolean): void => {
    const loaded = model.loaded.get(model.update.active);
    if (loaded !== undefined) {
      const before = live.serve(loaded);
      // Its place holds something else already.
      if (before && ![...model.loaded.values()].includes(before)) live.retire(before);
      meterOf(model, loaded, clock.monotonicMs, anew ? 'anew' : undefined);
      release(model, live);
      return;
    }
    // What runs goes on until the other is loaded; where that fails, the next one behind it is tried.
    run(model, 'loads what it shall run', async (signal) => {
      const { update } = model;
      const opened = await openPlace(model, update.active, ports);
      if (signal.aborted) return ok(undefined);
      if (opened.ok) {
        serveActive(model, anew);
        return ok(undefined);
      }
      for (const to of placesBehind(update, update.active)) {
        const behind = await openPlace(model, to, ports);
        if (signal.aborted) return ok(undefined);
        if (behind.ok) return ok({ kind: 'fell-back', to, reason: opened.error });
        log.error({ model: model.name, place: to }, behind.error.message);
      }
      return { ok: false, error: { kind: 'hold', reason: opened.error } };
    });
  };

  const run = (
    model: ManagedModel,
    what: string,
    act: (signal: AbortSignal) => Promise<Result<UpdateEvent | undefined, Stop>>,
  ): void => {
    const abort = new AbortController();
    model.busy?.abort.abort();
    model.busy = { what, abort };
    const caught = act(abort.signal).catch((thrown: unknown): Result<never, Stop> => {
      const message = `a bug: ${messageOf(thrown)}`;
      return { ok: false, error: { kind: 'hold', reason: { code: 'storage', message } } };
    });
    const conclude = (outcome: Result<UpdateEvent | undefined, Stop>): void => {
      // Abandoned: somebody has gone on from another state.
      if (abort.signal.aborted || closed) return;
      model.busy = undefined;
      if (outcome.ok) {
        const event = outcome.value;
        if (event !== undefined && apply(model, event) && event.kind === 'fell-back')
          serveActive(model, false);
      } else stopped(model, outcome.error);
      advance(model);
    };
    caught.then(conclude).catch(bug);
  };

  /** The apps' answers must not end with a bug of an update's. */
  const bug = (thrown: unknown): void =>
    log.error({ reason: messageOf(thrown) }, 'a bug: an update stopped where it was');

  const stopped = (model: ManagedModel, { kind, reason }: Stop): void => {
    if (kind !== 'hold') {
      apply(model, kind === 'fail' ? { kind: 'failed', reason } : { kind: 'refuse', reason });
      return;
    }
    hold(model, reason.message);
  };

  const hold = (model: ManagedModel, reason: string): void => {
    const { initialMs, maxMs } = holdBackoff;
    const delayMs = Math.min(maxMs, initialMs * 2 ** Math.min(model.holds, 16));
    model.holds += 1;
    model.hold = { untilRanMs: odometer.read().ranMs + delayMs, reason };
    model.waiting = reason;
    log.warn({ model: model.name, delayMs }, `update held: ${reason}`);
  };

  /** It could not be loaded yet, or a newer goal came between. */
  const isServed = ({ name, loaded, update }: ManagedModel): boolean =>
    live.classifiers.get(name) === loaded.get(update.active)?.model;

  const worldOf = (model: ManagedModel): UpdateWorld => {
    const now = odometer.read();
    const measured = measuredBundle(model);
    const meter = measured === undefined ? undefined : model.meters.get(measured);
    return {
      now,
      wallMs: now.wallMs,
      linkUp: ports.linkUp(),
      metered,
      ...(model.busy && { busy: model.busy.what }),
      ...(model.hold && { hold: model.hold }),
      ...(model.shadow && { shadow: model.shadow.progress() }),
      ...(meter && { health: meter.read() }),
    };
  };

  const advance = (model: ManagedModel): void => {
    for (let i = 0; i < stepsMax && !closed; i++) {
      const step = planUpdate(model.update, worldOf(model));
      if (step.kind === 'wait') {
        model.waiting = step.reason;
        return;
      }
      model.waiting = undefined;
      const event = eventOf(step);
      if (event !== undefined) {
        if (!apply(model, event)) return;
        continue;
      }
      const goal = goalOf(model);
      if (goal === undefined) return;
      if (!model.loaded.has(model.update.active)) {
        serveActive(model, false);
        return;
      }
      const kind = step.kind as LongStep;
      run(model, stepNames[kind], (signal) => runStep[kind](model, goal, ports, signal));
      return;
    }
  };

  const intake: Intake = createTakeAssignment(device, { ...ports, kept, models, odometer, apply });

  const keep = (): void => {
    keptAtMs = clock.monotonicMs();
    const health = [...models.values()].flatMap(({ meters }) =>
      [...meters].map(([bundle, meter]) => [bundle, meter.read()] as const),
    );
    logged(store.keep(intake.counter(), odometer.read(), Object.fromEntries(health)));
  };

  const logged = (result: Result<unknown, Failure>): void => {
    if (!result.ok) log.error({ code: result.error.code }, result.error.message);
  };

  const tick = (): void => {
    timer?.cancel();
    if (closed) return;
    try {
      look();
    } finally {
      const isBusy = [...models.values()].some((model) => {
        const { state } = model.update;
        const isOnItsWay = isUnderWay(state) || state.kind === 'rolled-back';
        return isOnItsWay || !model.proven || !isServed(model);
      });
      timer = clock.after(isBusy || intake.waits() ? busyTickMs : idleTickMs, wake);
    }
  };

  const look = (): void => {
    // What could not be had over a link that was away may be had now.
    const isUp = ports.linkUp();
    if (isUp && !wasUp) for (const model of models.values()) model.hold = undefined;
    wasUp = isUp;
    const nowMs = clock.monotonicMs();
    if (nowMs - keptAtMs >= keepEveryMs) keep();
    logged(store.sendOwed());
    for (const model of models.values())
      try {
        lookAfter(model, nowMs);
      } catch (thrown) {
        // The others' updates go on.
        bug(thrown);
      }
  };

  const lookAfter = (model: ManagedModel, nowMs: number): void => {
    if (!model.proven && nowMs - startedMs >= provenAfterMs) prove(model);
    if (hasLasted(model, nowMs - startedMs)) note(model, 'lasted');
    const isHeld = (model.hold?.untilRanMs ?? 0) > odometer.read().ranMs;
    if (!isServed(model) && model.busy === undefined && !isHeld) serveActive(model, false);
    advance(model);
  };

  const prove = (model: ManagedModel): void => {
    model.proven = true;
    logged(store.countStart(model.name, 'none'));
  };

  /** With the candidate: a life that was long before it came says nothing of it. */
  const hasLasted = ({ update: { state } }: ManagedModel, lifeMs: number): boolean =>
    state.kind === 'soaking' &&
    Math.min(lifeMs, odometer.read().ranMs - state.since.ranMs) >= shortLifeMs;

  /** How a life began, went on or ended, which nobody is told. */
  const note = (model: ManagedModel, kind: 'restarted' | 'lasted' | 'left'): void => {
    const { update } = transition(model.update, { kind }, odometer.read());
    if (update === model.update) return;
    logged(store.save(model.name, update, undefined));
    model.update = update;
  };

  const wake = (): void => {
    if (closed) return;
    try {
      tick();
    } catch (thrown) {
      bug(thrown);
    }
    intake
      .take()
      .then((taken) => {
        if (taken) tick();
      })
      .catch(bug);
  };

  return {
    ...view,
    async boot(name, factory) {
      const content = factory && contentOfBundle(factory);
      const record = store.load(name) ?? initialUpdate(content);
      const model: ManagedModel = {
        name,
        factory,
        update: { ...record, factory: content },
        loaded: new Map(),
        loading: new Map(),
        spent: [],
        meters: new Map(),
        holds: 0,
        proven: false,
      };
      // Before anything is loaded: a life that ends at once has been, and had its time.
      note(model, 'restarted');
      logged(store.keep(intake.counter(), odometer.read(), undefined));
      const booted = await bootModel(model, ports);
      if (!booted.ok) return booted;
      models.set(name, model);
      // The life before may have ended between the two writes.
      tellConfirmed(model);
      // Also where the disk refuses to keep it: it is what runs.
      if (booted.value !== undefined && !apply(model, booted.value))
        model.update = transition(model.update, booted.value, odometer.read()).update;
      const running = runningOf(model);
      meterOf(model, running, clock.monotonicMs, kept.health[running.bundle.digest]);
      release(model, live);
      return ok(undefined);
    },
    wake,
    meter: (name, bundle) => models.get(name)?.meters.get(bundle),
    answered(name) {
      const model = models.get(name);
      if (model?.proven === false) prove(model);
    },
    offer: (name, input) => models.get(name)?.shadow?.offer(input),
    refused: intake.refused,
    waits: intake.waits,
    close() {
      closed = true;
      timer?.cancel();
      for (const model of models.values()) {
        model.busy?.abort.abort();
        // A stop that somebody has asked for is no crash.
        if (!model.proven) prove(model);
        note(model, 'left');
      }
      keep();
    },
  };
}

const metadataFor = (state: UpdateRecord): BlobRef | undefined =>
  state.kind === 'assigned' ? state.goal.metadata : undefined;

/** Whose health decides what is next. */
function measuredBundle(model: ManagedModel): string | undefined {
  const { state } = model.update;
  if (state.kind === 'soaking') return state.goal.bundle;
  const isControl = state.kind === 'assigned' && state.goal.arm === 'control';
  // None while it is still being loaded.
  return isControl ? model.loaded.get(model.update.active)?.bundle.digest : undefined;
}

/** Of the steps that are a transition, and nothing else. */
function eventOf(step: Exclude<Step, { kind: 'wait' }>): UpdateEvent | undefined {
  switch (step.kind) {
    case 'fail': {
      const { reason, evidence } = step;
      return { kind: 'failed', reason, ...(evidence && { evidence }) };
    }
    case 'pass-shadow':
      return { kind: 'shadow-passed', evidence: step.evidence };
    case 'observe':
      return { kind: 'observed', evidence: step.evidence };
    case 'confirm':
      return { kind: 'confirmed', evidence: step.evidence };
    case 'proceed':
    case 'retry':
    case 'give-up':
    case 'quarantine':
      return { kind: step.kind };
    default:
      return undefined;
  }
}
