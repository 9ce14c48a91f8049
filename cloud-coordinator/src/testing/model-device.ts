// A device for tests of rollouts: it takes assignments, moves through the states of an update in its own time, keeps two
// slots, reports, and answers questions as well as the bundle that it runs does. No bytes, no signatures: those have tests
// of their own.

import { defined } from '@skerry/shared';
import {
  type Assignment,
  armOf,
  type ModelAssignment,
  type UpdateReport,
  type UpdateState,
} from '@skerry/sync-protocol/update';
import { createHealthSource, type HealthSourceOptions } from './model-health.ts';

export interface Fetch {
  readonly atMs: number;
  readonly bundle: string;
}

export interface ModelDeviceOptions extends HealthSourceOptions {
  readonly name: string;
  readonly model: string;
  readonly fetchMs: number;
  /** A fetch that it has begun never ends. */
  readonly isFlaky: boolean;
  readonly onFetch: (fetch: Fetch) => void;
}

export interface ModelDevice {
  readonly name: string;
  online: boolean;
  /** What answers now. */
  running(): string;
  /** When its next step is due; infinite when it waits for the cloud. */
  dueMs(): number;
  /** Goes on by itself. What needs a link waits for one. */
  step(nowMs: number): void;
  take(assignment: Assignment, nowMs: number): void;
  /** It is in a fetch, and whatever comes of it has not come yet. */
  isFetching(): boolean;
  hasNews(): boolean;
  /** What its updates have truly come to, whatever anybody was told. */
  ended(digest: string): 'confirmed' | 'failed' | undefined;
  /** What it has to say; the outbox is empty then. */
  drain(): readonly UpdateReport[];
}

interface Update {
  readonly goal: ModelAssignment;
  readonly takenMs: number;
  state: UpdateState;
  dueMs: number;
}

/** Of a step that costs no waiting. */
const shortMs = 1_000;

export function createModelDevice(options: ModelDeviceOptions): ModelDevice {
  const { name, model, incumbent, random, behaviourOf } = options;
  const outbox: UpdateReport[] = [];
  const ends = new Map<string, 'confirmed' | 'failed'>();
  let running = incumbent;
  let other: string | undefined;
  let counter = 0;
  /** The experiment in whose control arm it has said how it is. */
  let told: string | undefined;
  let update: Update | undefined;
  let quarantined: ReadonlySet<string> = new Set();

  const say = (
    goal: ModelAssignment,
    state: UpdateState,
    more: Partial<UpdateReport> = {},
  ): void => {
    outbox.push({
      kind: 'update-report',
      model,
      version: goal.version,
      bundle: goal.bundle.digest,
      counter,
      ...(goal.rollout === undefined ? {} : { rollout: goal.rollout.id }),
      state,
      attempt: 1,
      running,
      ...more,
    });
  };
  const flip = (): void => {
    const next = defined(other, 'the other slot');
    other = running;
    running = next;
  };
  const end = (state: UpdateState, more: Partial<UpdateReport> = {}): void => {
    const { goal } = defined(update, 'an update that ends');
    const isActive = running === goal.bundle.digest && state !== 'confirmed';
    if (isActive && other !== undefined) flip();
    if (state === 'confirmed') ends.set(goal.bundle.digest, 'confirmed');
    else if (state === 'rolled-back') ends.set(goal.bundle.digest, 'failed');
    say(goal, state, more);
    update = undefined;
  };
  const enter = (state: UpdateState, dueMs: number): void => {
    const current = defined(update, 'an update under way');
    current.state = state;
    current.dueMs = dueMs;
    say(current.goal, state);
  };

  const begin = (goal: ModelAssignment, nowMs: number): void => {
    if (goal.experiment !== undefined && armOf(goal.experiment, name) === 'control') {
      if (told === goal.experiment.id) return;
      told = goal.experiment.id;
      const [baseline, health] = [healthOf(running), healthOf(running)];
      say(goal, 'assigned', { arm: 'control', baseline, health });
      return;
    }
    update = { goal, takenMs: nowMs, state: 'assigned', dueMs: nowMs + goal.fetch.afterMs };
    say(goal, 'assigned');
    if (other === goal.bundle.digest) enter('staged', nowMs + goal.activate.afterMs);
  };

  const steps: Partial<Record<UpdateState, (current: Update, nowMs: number) => void>> = {
    assigned({ goal }, nowMs) {
      options.onFetch({ atMs: nowMs, bundle: goal.bundle.digest });

      enter('fetching', options.isFlaky ? Number.POSITIVE_INFINITY : nowMs + options.fetchMs);
    },
    fetching({ goal, takenMs }, nowMs) {
      enter('verified', nowMs + shortMs);
      other = goal.bundle.digest;
      enter('staged', Math.max(nowMs + shortMs, takenMs + goal.activate.afterMs));
    },
    staged(_, nowMs) {
      enter('activating', nowMs + shortMs);
    },
    activating({ goal }, nowMs) {
      flip();
      enter('soaking', nowMs + goal.soak.forMs);
    },
    soaking({ goal }) {
      const health = healthOf(goal.bundle.digest);
      const baseline = healthOf(other ?? incumbent);
      if (goal.soak.requestsMin > 0 && random.next() < behaviourOf(running).crashes) {
        const reason = { code: 'unhealthy', message: 'too many requests failed' };
        end('rolled-back', { health, baseline, reason, running: other ?? incumbent });
      } else end('confirmed', { health, baseline });
    },
  };

  const healthOf = createHealthSource(options);

  const obeyQuarantine = (): void => {
    if (update !== undefined && quarantined.has(update.goal.bundle.digest)) end('quarantined');
    if (quarantined.has(running) && other !== undefined && !quarantined.has(other)) flip();
  };

  return {
    name,
    online: true,
    running: () => running,
    dueMs: () => update?.dueMs ?? Number.POSITIVE_INFINITY,
    step(nowMs) {
      while (update !== undefined && update.dueMs <= nowMs) {
        const needsLink = update.state === 'assigned' || update.state === 'fetching';
        if (needsLink && !this.online) return;
        steps[update.state]?.(update, Math.max(update.dueMs, nowMs - 60_000));
      }
    },
    take(assignment, nowMs) {
      if (assignment.counter <= counter) return; // A replay.
      counter = assignment.counter;
      quarantined = new Set(assignment.quarantined);
      obeyQuarantine();
      if (assignment.mode === 'stop') {
        if (update !== undefined) end('stopped');
        return;
      }
      const goal = assignment.models.find((each) => each.model === model);
      const wanted = goal?.bundle.digest;
      if (update !== undefined && wanted !== update.goal.bundle.digest) end('stopped');
      if (goal === undefined || wanted === undefined || update !== undefined) return;
      if (wanted === running) return;
      if (!quarantined.has(wanted)) begin(goal, nowMs);
    },
    isFetching: () => update?.state === 'fetching',
    hasNews: () => outbox.length > 0,
    ended: (digest) => ends.get(digest),
    drain: () => outbox.splice(0),
  };
}
