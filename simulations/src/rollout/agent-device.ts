// A device of the simulated fleet that decides by the agent's own core: its transitions, its plan of the next step, its
// health gate, its slots and its tries. What is simulated is the world: bytes, answers, the link, and time.

import {
  createHealthSource,
  type ModelDevice,
  type ModelDeviceOptions,
} from '@skerry/cloud-coordinator/testing';
import {
  contentOf,
  initialUpdate,
  isUnderWay,
  type ModelUpdate,
  type Moment,
  planUpdate,
  reportOf,
  type Step,
  transition,
  type UpdateEvent,
} from '@skerry/edge-agent/update';
import { assert, defined } from '@skerry/shared';
import {
  type Assignment,
  armOf,
  type Health,
  type ModelAssignment,
  type UpdateReport,
} from '@skerry/sync-protocol/update';

/** Where a step waits for nothing that has a time. */
const pollMs = 60_000;
const variant = 'int8';

export function createAgentDevice(options: ModelDeviceOptions): ModelDevice {
  const { name, model, incumbent, random, behaviourOf } = options;
  const healthOf = createHealthSource(options);
  const outbox: UpdateReport[] = [];
  const ends = new Map<string, 'confirmed' | 'failed'>();
  let update: ModelUpdate = initialUpdate({ bundle: incumbent, version: '1.0.0', variant });
  let counter = 0;
  let wakeMs = Number.POSITIVE_INFINITY;
  let fetchedMs: number | undefined;
  let health: Health | undefined;

  const running = (): string =>
    defined(contentOf(update, update.active), 'there is always a model that works').bundle;
  const at = (nowMs: number): Moment => ({ ranMs: nowMs, passedMs: nowMs });

  const apply = (event: UpdateEvent, nowMs: number): void => {
    const next = transition(update, event, at(nowMs));
    const { state } = next.update;
    update = next.update;
    for (const { kind } of next.effects) {
      if (kind === 'abandon') fetchedMs = undefined;
      const report = kind === 'report' ? reportOf(model, update) : undefined;
      if (report !== undefined) outbox.push(report);
    }
    if (state.kind === 'confirmed') ends.set(state.goal.bundle, 'confirmed');
    if (state.kind === 'quarantined' && ends.get(state.goal.bundle) === undefined)
      ends.set(state.goal.bundle, 'failed');
    if (state.kind === 'refused' && state.reason.code === 'attempts')
      ends.set(state.goal.bundle, 'failed');
    if (state.kind === 'rolled-back' && state.ran) ends.set(state.goal.bundle, 'failed');
  };

  const assign = (
    terms: ModelAssignment,
    { counter: its, issuedMs }: Assignment,
    nowMs: number,
  ): void => {
    const goal = {
      bundle: terms.bundle.digest,
      version: terms.version,
      counter: its,
      ...(terms.rollout === undefined ? {} : { rollout: terms.rollout.id }),
      terms,
      issuedMs,
      taken: at(nowMs),
      fetchDelayMs: terms.fetch.afterMs,
      activateDelayMs: terms.activate.afterMs,
      ...(terms.experiment === undefined ? {} : { arm: armOf(terms.experiment, name) }),
    };
    apply({ kind: 'assign', goal }, nowMs);
  };

  /** `false`: it waits. */
  const run = (step: Step, nowMs: number): boolean => {
    const { state } = update;
    const goal = isUnderWay(state) ? state.goal : undefined;
    switch (step.kind) {
      case 'wait':
        return false;
      case 'begin':
        apply({ kind: 'begun' }, nowMs);
        if (update.state.kind === 'fetching')
          options.onFetch({ atMs: nowMs, bundle: update.state.goal.bundle });
        return true;
      case 'fetch': {
        const bundle = defined(goal, 'a fetch has a goal').bundle;
        fetchedMs ??= options.isFlaky ? Number.POSITIVE_INFINITY : nowMs + options.fetchMs;
        if (!device.online || nowMs < fetchedMs) return false;
        fetchedMs = undefined;
        const content = { bundle, version: '1.1.0', variant };
        apply({ kind: 'fetched', content, moved: { bytes: 1, fullBytes: 1, way: 'full' } }, nowMs);
        return true;
      }
      case 'stage':
        apply({ kind: 'staged' }, nowMs);
        return true;
      case 'activate': {
        const bundle = defined(goal, 'an activation has a goal').bundle;
        const before = healthOf(running());
        apply({ kind: 'activated', baseline: before }, nowMs);
        health = healthOf(bundle);
        if (random.next() < behaviourOf(bundle).crashes)
          health = { ...health, failures: health.requests };
        return true;
      }
      case 'observe':
        apply({ kind: 'observed', evidence: step.evidence }, nowMs);
        return true;
      case 'confirm':
      case 'pass-shadow':
        apply(
          {
            kind: step.kind === 'confirm' ? 'confirmed' : 'shadow-passed',
            evidence: step.evidence,
          },
          nowMs,
        );
        return true;
      case 'fail':
        apply({ ...step, kind: 'failed' }, nowMs);
        return true;
      case 'shadow':
        apply({ kind: 'shadow-begun' }, nowMs);
        return true;
      default:
        apply({ kind: step.kind }, nowMs);
        return true;
    }
  };

  /** Of a soak when it is over; in the control arm of what runs, which has counted on since. */
  const measured = (nowMs: number): { readonly health?: Health } => {
    const { state } = update;
    if (state.kind === 'assigned' && state.goal.arm === 'control') {
      const before = state.evidence?.baseline;
      return {
        health: before === undefined ? healthOf(running()) : sum(before, healthOf(running())),
      };
    }
    const isOver =
      state.kind === 'soaking' && nowMs - state.since.ranMs >= state.goal.terms.soak.forMs;
    return isOver && health !== undefined ? { health } : {};
  };

  const device: ModelDevice = {
    name,
    online: true,
    running,
    dueMs: () => wakeMs,
    step(nowMs) {
      for (let steps = 0; ; steps++) {
        assert(steps < 100, 'a device comes to rest');
        const step = planUpdate(update, {
          now: at(nowMs),
          wallMs: nowMs,
          linkUp: device.online,
          metered: false,
          ...measured(nowMs),
        });
        if (run(step, nowMs)) continue;
        const due = step.kind === 'wait' ? step.untilRanMs : fetchedMs;
        const isActive = isUnderWay(update.state) || update.state.kind === 'rolled-back';
        wakeMs = isActive
          ? Math.min(due ?? nowMs + pollMs, nowMs + pollMs)
          : Number.POSITIVE_INFINITY;
        return;
      }
    },
    take(assignment, nowMs) {
      const { counter: its, quarantined: bundles, mode, models } = assignment;
      if (its <= counter) return;
      counter = its;
      apply({ kind: 'forbid', counter: its, bundles }, nowMs);
      const reason = { code: 'stopped', message: 'the director has stopped all updates' } as const;
      if (mode === 'stop') apply({ kind: 'stop', counter: its, reason }, nowMs);
      else for (const terms of models) if (terms.model === model) assign(terms, assignment, nowMs);
      wakeMs = nowMs;
    },
    isFetching: () => update.state.kind === 'fetching',
    ended: (digest) => ends.get(digest),
    hasNews: () => outbox.length > 0,
    drain: () => outbox.splice(0),
  };
  return device;
}

function sum(one: Health, other: Health): Health {
  const judged = (by: 'cloud' | 'audit') => ({
    answers: one[by].answers + other[by].answers,
    agreed: one[by].agreed + other[by].agreed,
  });
  return {
    ...other,
    overMs: one.overMs + other.overMs,
    requests: one.requests + other.requests,
    failures: one.failures + other.failures,
    atExit: one.atExit + other.atExit,
    escalated: one.escalated + other.escalated,
    degraded: one.degraded + other.degraded,
    cloud: judged('cloud'),
    audit: judged('audit'),
  };
}
