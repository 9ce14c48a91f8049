// The machine by itself: what each phase makes of each event, and an asynchronous run, in which devices come and go.

import { assert } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { sampleRunPlan } from '../../testing/run-turns.ts';
import { dueStep, type Fleet, type Step } from './due-step.ts';
import { begin, replay, transition } from './fold-run.ts';
import { type RunEvent, type RunEventOf, runEventSchema } from './run-event.ts';
import type { RunPlanInput } from './run-plan.ts';
import { isActive, type Phase, type RunState } from './run-state.ts';
import type { LearnDevice } from './select-clients.ts';

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const blob = (letter: string) => ({ digest: digest(letter), bytes: 8 });
const model = (letter: string) => ({ parameters: blob(letter), state: blob(letter) });

const created = (
  more: Partial<RunPlanInput> = {},
  asynchronous = false,
): RunEventOf<'created'> => ({
  kind: 'created',
  atMs: 0,
  by: 'me',
  plan: sampleRunPlan(more),
  base: { version: '1.0.0', bundle: digest('a') },
  learn: {
    version: 1,
    model: 'digits',
    base: digest('a'),
    network: { kind: 'named', name: 'point' },
    trains: 'all',
    layout: { tensors: [{ name: 'w', shape: [2] }] },
    epochs: 1,
    batch: 1,
    learningRate: 0.1,
    compression: { kind: 'none' },
    examplesMin: 10,
    examplesMax: 100,
    holdOut: 0,
    seed: 1,
  },
  model: model('0'),
  asynchronous,
});

const deviceOf = (i: number): LearnDevice => ({
  device: `device-${i}`,
  online: true,
  site: 'default',
  target: 'linux-x64',
  labels: [],
  running: {},
  variants: {},
  learn: {
    plans: [1],
    networks: ['point'],
    examples: [{ model: 'digits', count: 50 }],
    idle: true,
  },
});
const fleetOf = (count: number): Fleet => ({
  devices: () => Array.from({ length: count }, (_, i) => deviceOf(i)),
  isBusy: () => false,
});

const trained = (
  device: string,
  round: number,
  op: number,
  attempt = 1,
): RunEventOf<'replied'>['replies'][number] => ({
  device,
  op,
  round,
  attempt,
  outcome: {
    kind: 'trained',
    update: blob('b'),
    examples: 5,
    steps: 1,
    completed: 1,
    metrics: {},
    norm: 1,
  },
});
const replied = (...replies: RunEventOf<'replied'>['replies']): RunEvent => ({
  kind: 'replied',
  atMs: 5,
  replies,
});
const aggregated = (state: RunState, devices: readonly string[], changed = true): RunEvent => ({
  kind: 'aggregated',
  atMs: 9,
  round: state.round,
  attempt: 1,
  model: model('c'),
  changed,
  contributions: devices.map((device) => ({
    device,
    round: state.round,
    attempt: 1,
    update: digest('b'),
    examples: 5,
    used: true,
  })),
  deltaNorm: 1,
  stepNorm: 1,
  metrics: {},
});
const apply = (state: RunState, step: Step | undefined): RunState => {
  if (step?.kind !== 'append') throw new Error(`expected events, got ${step?.kind}`);
  return step.events.map((event) => runEventSchema.parse(event)).reduce(transition, state);
};

/** A run in each phase. */
const selecting = begin(created({ evaluate: { clients: 4 } }));
const training = apply(selecting, dueStep(selecting, fleetOf(4), 1));
const answered = [...training.members.keys()].map((device, op) => trained(device, 0, op));
const full = transition(training, replied(...answered));
const aggregating = apply(full, dueStep(full, fleetOf(4), 6));
const selectingToEvaluate = transition(aggregating, aggregated(aggregating, ['device-0']));
const evaluating = apply(selectingToEvaluate, dueStep(selectingToEvaluate, fleetOf(4), 10));
const evaluated = apply(evaluating, dueStep(evaluating, fleetOf(4), 99_999_999));
const end = (kind: 'stopped' | 'failed'): RunEvent =>
  kind === 'stopped'
    ? { kind, atMs: 9, by: 'me', reason: 'why' }
    : { kind, atMs: 9, reason: 'why' };
const stopped = transition(training, end('stopped'));
const failed = transition(training, end('failed'));
const queried = (device: string, op: number) => ({
  ...trained(device, 0, op),
  outcome: { kind: 'queried' as const, counts: [1, 2] },
});
const selectingToQuery = begin({
  ...created({ query: { question: { kind: 'labels' } }, rounds: 1 }),
  query: {
    version: 3,
    model: 'digits',
    base: digest('a'),
    question: { kind: 'labels', labels: ['0', '1'] },
    examplesMax: 100,
    seed: 1,
  },
});
const knowing: Fleet = {
  devices: () =>
    fleetOf(4)
      .devices()
      .map((each) => (each.learn ? { ...each, learn: { ...each.learn, plans: [3] } } : each)),
  isBusy: () => false,
};
const querying = apply(selectingToQuery, dueStep(selectingToQuery, knowing, 1));
const publishing: RunState = {
  ...training,
  members: new Map(),
  phase: { kind: 'publishing', sinceMs: 1, untilMs: 9 },
};
const releasing: RunState = {
  ...publishing,
  phase: { kind: 'releasing', sinceMs: 1, untilMs: 9 },
  candidate: { version: '1.1.0', manifest: blob('f'), before: 0.9, after: 0.91 },
};
const completed: RunState = { ...training, phase: { kind: 'completed', sinceMs: 9 } };

type Kind = Phase['kind'];
const states: Record<Kind, RunState> = {
  selecting,
  training,
  aggregating,
  evaluating,
  querying,
  publishing,
  releasing,
  completed,
  stopped,
  failed,
};
const events: Record<RunEvent['kind'], RunEvent> = {
  created: created(),
  chosen: {
    kind: 'chosen',
    atMs: 2,
    work: 'train',
    round: 0,
    attempt: 1,
    untilMs: 99,
    eligible: 1,
    members: [{ device: 'device-7', cohort: 'x', tellAtMs: 2 }],
  },
  replied: replied(...answered.slice(0, 1)),
  lapsed: { kind: 'lapsed', atMs: 3, devices: ['device-0'] },
  closed: { kind: 'closed', atMs: 3, reason: 'why' },
  masked: {
    kind: 'masked',
    atMs: 7,
    round: 0,
    attempt: 1,
    record: { stage: 'input', untilMs: 99, state: blob('d'), waiting: ['device-0'], inputs: [] },
  },
  aggregated: aggregated(aggregating, ['device-0']),
  evaluated: { kind: 'evaluated', atMs: 9, round: 1 },
  tallied: {
    kind: 'tallied',
    atMs: 9,
    attempt: 1,
    tally: {
      devicesMin: 2,
      whole: { devices: 4, examples: 12, counts: { '0': 4, '1': 8 }, rest: 0 },
      cohorts: {},
      withheld: [],
    },
  },
  published: {
    kind: 'published',
    atMs: 9,
    version: '1.1.0',
    manifest: blob('f'),
    before: 0.9,
    after: 0.91,
  },
  'rolled-out': { kind: 'rolled-out', atMs: 9, rollout: 'learn-run-1' },
  'privacy-committed': {
    kind: 'privacy-committed',
    atMs: 9,
    round: 0,
    attempt: 1,
    mechanism: { samplingRate: 1, noiseMultiplier: 1 },
    clip: 1,
  },
  'privacy-released': { kind: 'privacy-released', atMs: 9, round: 0, attempt: 1 },
  spent: { kind: 'spent', atMs: 9, reason: 'why' },
  stopped: end('stopped'),
  failed: end('failed'),
};

/** What comes of each event in each phase, and in which attempt where it is another. */
const ends = { stopped: 'stopped', failed: 'failed' } as const;
const table: Record<Kind, Partial<Record<RunEvent['kind'], string>>> = {
  selecting: { ...ends, chosen: 'training', closed: 'selecting', spent: 'failed' },
  training: { ...ends, closed: 'selecting', spent: 'failed' },
  aggregating: { ...ends, closed: 'selecting', aggregated: 'selecting', spent: 'failed' },
  evaluating: { ...ends, closed: 'aggregating', spent: 'completed' },
  querying: { ...ends, closed: 'selecting', spent: 'failed' },
  publishing: { ...ends, closed: 'failed', published: 'completed' },
  releasing: { ...ends, closed: 'completed', 'rolled-out': 'completed' },
  completed: {},
  stopped: {},
  failed: {},
};

describe('a run’s phases', () => {
  const cells = Object.entries(states).flatMap(([kind, state]) =>
    Object.entries(events).map(([name, event]) => ({ kind: kind as Kind, state, name, event })),
  );
  it.each(cells)('[RND1] $kind: $name', ({ kind, state, event }) => {
    expect(state.phase.kind).toBe(kind);
    const after = transition(state, event);
    expect(after.phase.kind).toBe(table[kind][event.kind] ?? kind);
    if (!isActive(state.phase)) expect(after).toBe(state);
    if (isActive(after.phase)) expect(after.phase.untilMs).toBeGreaterThan(after.phase.sinceMs);
  });

  it('[MSK2] a masked round stands where the last word of its very attempt says', () => {
    const { masked } = events;
    assert(masked.kind === 'masked', 'a masked event');
    expect(transition(aggregating, masked).phase).toMatchObject({ masked: masked.record });
    for (const other of [{ attempt: 2 }, { round: 1 }])
      expect(transition(aggregating, { ...masked, ...other })).toBe(aggregating);
  });

  it('[QRY1] a query ends with what its devices have answered, and asks again where they were too few', () => {
    const [a = '', ...more] = querying.members.keys();
    const one = transition(querying, replied(queried(a, 1)));
    expect(transition(one, events.closed).phase).toMatchObject({ work: 'query', attempt: 2 });
    const all = transition(one, replied(...more.map((device, op) => queried(device, op + 2))));
    const due = apply(all, dueStep(all, knowing, 6));
    expect(due.phase).toMatchObject({ kind: 'aggregating', work: 'query' });
    expect(dueStep(due, knowing, 7)).toEqual({ kind: 'tally' });
    const done = transition(due, events.tallied);
    expect(done).toMatchObject({ phase: { kind: 'completed' }, tally: { whole: { devices: 4 } } });
    // Nobody answers a query with an update, or a task to train with counts.
    expect(transition(querying, replied(trained(a, 0, 1)))).toBe(querying);
    expect(transition(training, replied(queried('device-0', 1)))).toBe(training);
  });

  it('[RND1] one that evaluates nothing goes on to the next round, and after the last it ends', () => {
    expect(evaluated.phase).toMatchObject({ kind: 'aggregating', work: 'evaluate', round: 1 });
    const next = transition(evaluated, events.evaluated);
    expect(next.phase).toMatchObject({ kind: 'selecting', work: 'train', round: 1, attempt: 1 });
    const last = { ...evaluated, plan: { ...evaluated.plan, rounds: 1 } };
    expect(transition(last, events.evaluated).phase).toMatchObject({ kind: 'completed' });
    expect(transition(selectingToEvaluate, events.closed).phase).toMatchObject({
      kind: 'selecting',
      work: 'train',
      round: 1,
    });
  });

  it('[RND3] takes no more than enough, in the order in which replies came', () => {
    const wide = begin(created({ clients: { target: 2, min: 2, overSelect: 2 } }));
    const asked = apply(wide, dueStep(wide, fleetOf(4), 1));
    const all = [...asked.members.keys()];
    const done = transition(asked, replied(...all.map((device, op) => trained(device, 0, op))));
    const kinds = all.map((device) => done.members.get(device)?.progress.kind);
    expect(kinds).toEqual(['trained', 'trained', 'surplus', 'surplus']);
  });

  it('[RND4] keeps an attempt’s number to its end: a reply to another is none', () => {
    const other = transition(training, replied(trained('device-0', 0, 1, 2)));
    expect(other).toBe(training);
    expect(transition(training, replied(trained('device-0', 1, 1)))).toBe(training);
  });

  it('[RND4] asks whoever trained in an attempt that was none, and rests those alone whose work came', () => {
    const apart = begin(
      created({
        clients: { target: 4, min: 3, overSelect: 1 },
        eligibility: { separationMs: 1e9 },
      }),
    );
    const asked = apply(apart, dueStep(apart, fleetOf(4), 1));
    const [a = '', b = '', c = '', d = ''] = asked.members.keys();
    const declined = { ...trained(d, 0, 4), outcome: { kind: 'declined', reason: 'hot' } as const };
    const two = transition(asked, replied(trained(a, 0, 1), trained(b, 0, 2), declined));
    expect([...two.askedMs.keys()]).toEqual([a, b]);
    const none = apply(two, dueStep(two, fleetOf(4), 1e8));
    expect(none.phase).toMatchObject({ kind: 'selecting', attempt: 2 });
    expect(dueStep(none, fleetOf(4), 1e8)).toMatchObject({ events: [{ kind: 'chosen' }] });
    const enough = transition(two, replied(trained(c, 0, 3)));
    const closed = apply(enough, dueStep(enough, fleetOf(4), 1e8));
    const next = transition(closed, aggregated(closed, [a, b, c]));
    expect([...next.askedMs.keys()]).toEqual([a, b, c]);
  });

  it('[RND12] gives who takes another’s place what is left of the round', () => {
    const [a = ''] = training.members.keys();
    const declined = { ...trained(a, 0, 4), outcome: { kind: 'declined', reason: 'hot' } as const };
    const lacking = transition(training, replied(declined));
    const phase = training.phase as Extract<Phase, { kind: 'training' }>;
    const others: Fleet = { devices: () => [deviceOf(9)], isBusy: () => false };
    const joined = apply(lacking, dueStep(lacking, others, 60_000));
    expect(joined.members.get('device-9')?.untilMs).toBe(phase.untilMs);
  });

  it('is the same from its log', () => {
    const step = dueStep(selecting, fleetOf(4), 1);
    const log = [
      created({ evaluate: { clients: 4 } }),
      ...(step?.kind === 'append' ? step.events : []),
      replied(...answered),
    ].map((event) => runEventSchema.parse(JSON.parse(JSON.stringify(event))));
    expect(replay(log)).toEqual(full);
  });
});

describe('an asynchronous run', () => {
  const plan = { clients: { target: 2, min: 2, overSelect: 2 }, rounds: 3 };
  const started = begin(created(plan, true));
  const atWork = apply(started, dueStep(started, fleetOf(9), 1));

  it('[RND11] has so many at work at any time, whoever has answered', () => {
    expect(atWork.members.size).toBe(4);
    expect(dueStep(atWork, fleetOf(9), 2)).toBeUndefined();
    const [first = ''] = atWork.members.keys();
    const one = transition(atWork, replied(trained(first, 0, 1)));
    const more = apply(one, dueStep(one, fleetOf(9), 3));
    const asked = [...more.members.values()].filter(({ progress }) => progress.kind === 'asked');
    expect(asked).toHaveLength(4);
    expect(more.members.size).toBe(5);
  });

  it('[RND11] makes the next model of each full buffer, and lets the others go on', () => {
    const [a = '', b = '', c = ''] = atWork.members.keys();
    const two = transition(atWork, replied(trained(a, 0, 1), trained(b, 0, 2)));
    expect(dueStep(two, fleetOf(4), 3)).toEqual({ kind: 'aggregate' });
    const next = transition(two, aggregated(two, [a, b]));
    expect(next).toMatchObject({ round: 1, phase: { kind: 'training', round: 1, attempt: 1 } });
    expect(next.members.get(c)?.progress).toEqual({ kind: 'asked' });
    // What was begun from the model before counts still, and is known to be old.
    const late = transition(next, replied(trained(c, 0, 3)));
    expect(late.members.get(c)).toMatchObject({ round: 0, progress: { kind: 'trained' } });
    const refilled = apply(late, dueStep(late, fleetOf(9), 4));
    const rounds = [...refilled.members.values()].map(({ round }) => round);
    expect(rounds.filter((round) => round === 1)).toHaveLength(3);
  });

  it('[RND11] waits for nobody longer than a round, and without progress it fails', () => {
    const { roundMs } = atWork.plan.timeouts;
    const [first = ''] = atWork.members.keys();
    const one = transition(atWork, replied(trained(first, 0, 1)));
    const phase = one.phase as Extract<Phase, { kind: 'training' }>;
    const patient = { ...one, phase: { ...phase, untilMs: 10 * roundMs } };
    const lapsed = apply(patient, dueStep(patient, fleetOf(0), roundMs + 1_000));
    expect([...lapsed.members.keys()]).toEqual([first]);
    const again = apply(one, dueStep(one, fleetOf(0), roundMs + 1_000));
    expect(again.phase).toMatchObject({ kind: 'selecting', attempt: 2 });
    // What has come is there for the next attempt.
    expect([...again.members.keys()]).toEqual([first]);
    const refused = transition(
      transition(atWork, replied(...[...atWork.members.keys()].map((d, op) => trained(d, 0, op)))),
      events.closed,
    );
    expect(refused).toMatchObject({ phase: { kind: 'selecting' }, members: new Map() });
    expect(again.setback).toMatch(/fewer than 2 updates/);
  });

  it('[RND11] goes on in the same round while a buffer fills', () => {
    const [a = '', b = ''] = atWork.members.keys();
    const two = transition(atWork, replied(trained(a, 0, 1), trained(b, 0, 2)));
    const same = transition(two, aggregated(two, [a, b], false));
    expect(same).toMatchObject({ round: 0, history: [], model: model('c') });
    expect(same.members.has(a)).toBe(false);
    // By another name, or it would be told nothing.
    const others: Fleet = {
      devices: () =>
        fleetOf(9)
          .devices()
          .filter(({ device }) => device === a),
      isBusy: () => false,
    };
    const again = apply(same, dueStep(same, others, 6));
    expect(again.members.get(a)).toMatchObject({ round: 0, attempt: 2 });
  });

  it('[RND11] takes at its deadline what has come, if it is enough, and lets the others go on', () => {
    const plan = { clients: { target: 3, min: 2, overSelect: 2 }, rounds: 3 };
    const begun = begin(created(plan, true));
    const asked = apply(begun, dueStep(begun, fleetOf(9), 1));
    const [a = '', b = '', c = ''] = asked.members.keys();
    const two = transition(asked, replied(trained(a, 0, 1), trained(b, 0, 2)));
    const { untilMs } = two.phase as Extract<Phase, { kind: 'training' }>;
    expect(dueStep(two, fleetOf(0), untilMs - 1)).toBeUndefined();
    expect(dueStep(two, fleetOf(0), untilMs)).toEqual({ kind: 'aggregate' });
    const taken: RunEvent = { ...aggregated(two, [a, b], false), atMs: untilMs };
    const more = transition(two, taken);
    expect(more).toMatchObject({ phase: { kind: 'training' } });
    expect((more.phase as { untilMs: number }).untilMs).toBeGreaterThan(untilMs);
    expect(more.members.has(c)).toBe(true);
    // Without any that was used it is not longer: it would never end.
    const bad = aggregated(two, [], false);
    expect(transition(two, { ...bad, atMs: untilMs } as RunEvent).phase).toMatchObject({ untilMs });
  });

  it('[RND11] asks who declined again when there is another model', () => {
    const [a = '', b = '', c = ''] = atWork.members.keys();
    const hot = { ...trained(c, 0, 3), outcome: { kind: 'declined', reason: 'hot' } as const };
    const two = transition(atWork, replied(hot, trained(a, 0, 1), trained(b, 0, 2)));
    const next = transition(two, aggregated(two, [a, b]));
    expect(dueStep(next, fleetOf(0), 10)).toMatchObject({
      events: [{ kind: 'lapsed', devices: [c] }],
    });
    const one = transition(atWork, replied(hot));
    expect(dueStep(one, fleetOf(0), 10)).toBeUndefined();
  });

  it('[RND11] gives each the model that there was when it was chosen', () => {
    const [a = '', b = '', c = ''] = atWork.members.keys();
    const two = transition(atWork, replied(trained(a, 0, 1), trained(b, 0, 2)));
    const next = transition(two, aggregated(two, [a, b]));
    expect(next.model.parameters).toEqual(blob('c'));
    expect(next.members.get(c)?.given).toEqual({ parameters: blob('0') });
  });
});
