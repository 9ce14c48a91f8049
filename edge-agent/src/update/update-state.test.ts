// Every event in every state; and, over random ways through the machine, what always holds.

import { sampleModelAssignment } from '@skerry/sync-protocol/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Content,
  contentOf,
  freeSlot,
  type Goal,
  initialUpdate,
  isBarred,
  type ModelUpdate,
  placesBehind,
  type Reason,
  type UpdateRecord,
} from './update-record.ts';
import { attemptsMax, transition, type UpdateEvent } from './update-state.ts';

const digest = (name: string): string => `sha256:${name.repeat(64)}`;
const content = (name: string): Content => ({
  bundle: digest(name),
  version: `1.0.${name}`,
  variant: 'fp32',
});
const now = { ranMs: 1_000, passedMs: 2_000 };
const factory = content('f');
const moved = { bytes: 10, fullBytes: 10, way: 'full' } as const;
const bad: Reason = { code: 'health', message: 'p95' };
const unlucky: Reason = { code: 'timeout', message: 'fetching for 60 s' };

function goalOf(name: string, counter = 1): Omit<Goal, 'attempt'> {
  const bundle = { digest: digest(name), bytes: 1_000 };
  return {
    bundle: bundle.digest,
    version: `1.0.${name}`,
    counter,
    terms: sampleModelAssignment({ bundle, version: `1.0.${name}` }),
    issuedMs: 0,
    taken: now,
    fetchDelayMs: 0,
    activateDelayMs: 0,
  };
}

/** The record after these events. */
const after = (...events: readonly UpdateEvent[]): ModelUpdate =>
  events.reduce((update, event) => transition(update, event, now).update, initialUpdate(factory));

const assign = (name: string, counter = 1): UpdateEvent => ({
  kind: 'assign',
  goal: goalOf(name, counter),
});
const fetched = (name: string): UpdateEvent => ({ kind: 'fetched', content: content(name), moved });
const failed = (reason: Reason): UpdateEvent => ({ kind: 'failed', reason });
const toSoaking = (name: string, counter = 1): UpdateEvent[] => [
  assign(name, counter),
  { kind: 'begun' },
  fetched(name),
  { kind: 'staged' },
  { kind: 'proceed' },
  { kind: 'activated' },
];
const toConfirmed = (name: string, counter = 1): UpdateEvent[] => [
  ...toSoaking(name, counter),
  { kind: 'confirmed', evidence: {} },
];

type Kind = UpdateRecord['kind'];
const ways: Record<Kind, readonly UpdateEvent[]> = {
  idle: [],
  assigned: toSoaking('1').slice(0, 1),
  fetching: toSoaking('1').slice(0, 2),
  verified: toSoaking('1').slice(0, 3),
  staged: toSoaking('1').slice(0, 4),
  shadowing: [...toSoaking('1').slice(0, 4), { kind: 'shadow-begun' }],
  activating: toSoaking('1').slice(0, 5),
  soaking: toSoaking('1'),
  confirmed: toConfirmed('1'),
  refused: [
    assign('1'),
    { kind: 'refuse', reason: { code: 'untrusted', message: 'nobody signed' } },
  ],
  stopped: [
    assign('1'),
    { kind: 'stop', counter: 2, reason: { code: 'stopped', message: 'stop' } },
  ],
  'rolled-back': [...toSoaking('1'), failed(unlucky)],
  quarantined: [...toSoaking('1'), failed(bad), { kind: 'quarantine' }],
};

const events = {
  assign: assign('2', 9),
  again: assign('1', 9),
  stop: { kind: 'stop', counter: 9, reason: { code: 'stopped', message: 'stop' } },
  forbid: { kind: 'forbid', counter: 9, bundles: [digest('1')] },
  begun: { kind: 'begun' },
  fetched: fetched('1'),
  staged: { kind: 'staged' },
  'shadow-begun': { kind: 'shadow-begun' },
  'shadow-passed': { kind: 'shadow-passed', evidence: {} },
  proceed: { kind: 'proceed' },
  activated: { kind: 'activated' },
  confirmed: { kind: 'confirmed', evidence: {} },
  failed: failed(bad),
  refuse: { kind: 'refuse', reason: { code: 'misfit', message: 'no room' } },
  retry: { kind: 'retry' },
  'give-up': { kind: 'give-up' },
  quarantine: { kind: 'quarantine' },
  'fell-back': {
    kind: 'fell-back',
    to: 'factory',
    reason: { code: 'crash-loop', message: '3 starts' },
  },
} as const satisfies Record<string, UpdateEvent>;
type EventName = keyof typeof events;

/** The state that follows; '-': nothing changes. */
const refusedTwice = 'refused';
const table: Record<Kind, Record<EventName, Kind | '-'>> = {
  idle: row({ assign: 'assigned', again: 'assigned' }),
  assigned: row({ ...under('assigned'), begun: 'fetching', refuse: 'refused' }),
  fetching: row({ ...under('fetching'), fetched: 'verified', refuse: 'refused' }),
  verified: row({ ...under('verified'), staged: 'staged', refuse: 'refused' }),
  staged: row({
    ...under('staged'),
    'shadow-begun': 'shadowing',
    proceed: 'activating',
    refuse: 'refused',
  }),
  shadowing: row({
    ...under('shadowing'),
    'shadow-passed': 'activating',
    proceed: 'activating',
    refuse: 'refused',
  }),
  activating: row({ ...under('activating'), activated: 'soaking', refuse: 'refused' }),
  soaking: row({ ...under('soaking'), confirmed: 'confirmed', 'fell-back': 'rolled-back' }),
  confirmed: row({
    assign: 'assigned',
    again: 'confirmed',
    forbid: 'quarantined',
    'fell-back': 'rolled-back',
  }),
  refused: row({ assign: 'assigned', again: 'assigned' }),
  stopped: row({ assign: 'assigned', again: 'assigned' }),
  'rolled-back': row({
    assign: 'assigned',
    again: 'assigned',
    stop: 'stopped',
    retry: 'assigned',
    'give-up': 'quarantined',
    quarantine: 'quarantined',
  }),
  quarantined: row({ assign: 'assigned', again: refusedTwice }),
};

function under(kind: Kind): Partial<Record<EventName, Kind>> {
  return {
    assign: 'assigned',
    again: kind,
    stop: 'stopped',
    forbid: 'quarantined',
    failed: 'rolled-back',
  };
}

function row(cells: Partial<Record<EventName, Kind>>): Record<EventName, Kind | '-'> {
  const names = Object.keys(events) as EventName[];
  return Object.fromEntries(names.map((name) => [name, cells[name] ?? '-'])) as Record<
    EventName,
    Kind | '-'
  >;
}

describe.each(Object.keys(ways) as Kind[])('in state %s', (kind) => {
  const update = after(...ways[kind]);

  it('is where the way leads', () => expect(update.state.kind).toBe(kind));

  it.each(Object.keys(events) as EventName[])('[UPD1] %s leads where the table says', (name) => {
    const next = transition(update, events[name], now);
    const expected = table[kind][name];
    expect(next.update.state.kind).toBe(expected === '-' ? kind : expected);
    if (expected === '-') expect(next.update.state).toBe(update.state);
    expect(next.effects.some((effect) => effect.kind === 'report')).toBe(expected !== '-');
  });
});

describe('an assignment', () => {
  it('[UPD2] twice changes nothing, and one that is not newer changes nothing either', () => {
    for (const way of Object.values(ways).filter((way) => way.length > 0)) {
      const update = after(...way);
      expect(transition(update, assign('1', 1), now)).toEqual({ update, effects: [] });
      expect(transition(update, assign('2', 1), now).update).toEqual(update);
    }
  });

  it('[UPD2] a newer one of the same bundle goes on where the older stood, with what was drawn', () => {
    const update = after(...ways.fetching);
    const delays = { fetchDelayMs: 77, activateDelayMs: 77 };
    const again = { ...goalOf('1', 2), ...delays };
    const { state } = transition(update, { kind: 'assign', goal: again }, now).update;
    expect(state).toMatchObject({
      kind: 'fetching',
      goal: { counter: 2, fetchDelayMs: 0, attempt: 1 },
    });
  });

  it('[UPD2] a newer one of another bundle ends a soak: what is not confirmed makes way', () => {
    const { update, effects } = transition(after(...toSoaking('1')), assign('2', 2), now);
    expect(update).toMatchObject({ active: 'factory', state: { kind: 'assigned' } });
    expect(effects).toContainEqual({ kind: 'serve', place: 'factory' });
    expect(effects).toContainEqual({ kind: 'abandon' });
  });

  it('[UPD3] of what runs is confirmed at once, and of what lies here moves no byte', () => {
    const update = after(...toConfirmed('1'), ...toConfirmed('2', 2));
    expect(update).toMatchObject({ active: 'b', previous: 'a' });
    expect(transition(update, assign('2', 3), now).update.state).toMatchObject({
      kind: 'confirmed',
      goal: { counter: 3 },
    });
    const back = after(...toConfirmed('1'), ...toConfirmed('2', 2), assign('1', 3), {
      kind: 'begun',
    });
    expect(back.state).toMatchObject({
      kind: 'staged',
      slot: 'a',
      moved: { bytes: 0, way: 'none' },
    });
    const home = after(...toConfirmed('1'), assign('f', 3), { kind: 'begun' });
    expect(home.state).toMatchObject({ kind: 'staged', slot: 'factory' });
  });

  it('[UPD4] of a bundle in quarantine is refused, whoever quarantined it', () => {
    const own = after(...ways.quarantined, assign('1', 5));
    expect(own.state).toMatchObject({ kind: 'refused', reason: { code: 'quarantined' } });
    const theirs = after({ kind: 'forbid', counter: 2, bundles: [digest('1')] }, assign('1', 3));
    expect(theirs.state).toMatchObject({ kind: 'refused', reason: { code: 'quarantined' } });
  });
});

it('[UPD4] one assignment may quarantine what runs and say what shall run instead', () => {
  const forbid: UpdateEvent = { kind: 'forbid', counter: 2, bundles: [digest('1')] };
  const update = after(...toConfirmed('1'), forbid, assign('2', 2));
  expect(update.state).toMatchObject({ kind: 'assigned', goal: { bundle: digest('2') } });
  expect(transition(update, assign('3', 2), now).update).toBe(update);
});

describe('what nobody has judged', () => {
  const forbid: UpdateEvent = { kind: 'forbid', counter: 9, bundles: [digest('2')] };
  const third = toSoaking('3', 3).slice(0, 4);
  const soak: UpdateEvent[] = [{ kind: 'begun' }, { kind: 'proceed' }, { kind: 'activated' }];

  it('[UPD6] does not answer because the bundle before it is quarantined, or does not start', () => {
    const staged = after(...toConfirmed('1'), ...toConfirmed('2', 2), ...third);
    expect(staged).toMatchObject({ active: 'b', state: { kind: 'staged', slot: 'a' } });
    expect(placesBehind(staged, 'b')).toEqual(['factory', 'a']);
    expect(transition(staged, forbid, now).update.active).toBe('factory');
  });

  it('[UPD3] soaks where it runs already, as the last resort', () => {
    const fell: UpdateEvent = { ...events['fell-back'], to: 'a' };
    const staged = after(...toConfirmed('1'), ...toConfirmed('2', 2), ...third, fell);
    expect(staged.active).toBe('a');
    const again = [assign('3', 4), ...soak].reduce(
      (update, event) => transition(update, event, now).update,
      transition(staged, { kind: 'stop', counter: 3.5, reason: unlucky }, now).update,
    );
    expect(again).toMatchObject({ active: 'a', state: { kind: 'soaking', slot: 'a' } });
    expect(transition(again, failed(bad), now).update.active).toBe('factory');
    const confirmed = transition(again, { kind: 'confirmed', evidence: {} }, now).update;
    expect(transition(confirmed, assign('3', 5), now).update.state.kind).toBe('confirmed');
  });
});

it('[UPD16] what a crash loop has put in quarantine here the director may release, and nothing else', () => {
  const forbid = (counter: number, ...names: string[]): UpdateEvent => ({
    kind: 'forbid',
    counter,
    bundles: names.map(digest),
  });
  const looped = after(...toConfirmed('1'), events['fell-back']);
  expect(looped.quarantined).toEqual([digest('1')]);
  const next = (update: ModelUpdate, ...more: UpdateEvent[]): ModelUpdate =>
    more.reduce((before, event) => transition(before, event, now).update, update);
  // Not listed by the director, now or before: he has said nothing of it.
  expect(next(looped, forbid(3, '2'), forbid(4)).quarantined).toEqual([digest('1')]);
  expect(next(looped, forbid(3, '1'), forbid(4)).quarantined).toEqual([]);
  const unhealthy = after(...ways.quarantined);
  expect(next(unhealthy, forbid(3, '1'), forbid(4)).quarantined).toEqual([digest('1')]);
});

describe('tries', () => {
  const once: UpdateEvent[] = [{ kind: 'begun' }, failed(unlucky), { kind: 'retry' }];

  it('[UPD5] of one bundle are counted over assignments, and are bounded', () => {
    const update = after(assign('1'), ...once, ...once, { kind: 'begun' }, failed(unlucky));
    expect(update.state).toMatchObject({ kind: 'rolled-back', goal: { attempt: attemptsMax } });
    const given = transition(update, { kind: 'give-up' }, now).update;
    // It never ran here: that the link failed says nothing of it.
    expect(given.state.kind).toBe('refused');
    expect(given.quarantined).toEqual([]);
    expect(transition(given, assign('1', 2), now).update.state).toMatchObject({
      kind: 'refused',
      reason: { code: 'attempts' },
    });
    const anew = { kind: 'assign', goal: { ...goalOf('1', 3), rollout: 'mended' } } as const;
    expect(transition(given, anew, now).update.state).toMatchObject({
      kind: 'assigned',
      goal: { attempt: 1 },
    });
  });

  it('[UPD5] of one that could not be confirmed again and again end in quarantine', () => {
    const soak: UpdateEvent[] = [
      { kind: 'begun' },
      fetched('1'),
      { kind: 'staged' },
      { kind: 'proceed' },
      { kind: 'activated' },
      failed({ code: 'insufficient-data', message: 'soaking for 60 s' }),
    ];
    const update = after(
      assign('1'),
      ...soak,
      { kind: 'retry' },
      ...soak,
      { kind: 'retry' },
      ...soak,
      {
        kind: 'give-up',
      },
    );
    expect(update).toMatchObject({ state: { kind: 'quarantined' }, active: 'factory' });
  });
});

describe('a rollback', () => {
  it('[UPD6] goes to the place before, which a candidate never takes', () => {
    const update = after(...toConfirmed('1'), ...toSoaking('2', 2));
    expect(update).toMatchObject({ active: 'b', previous: 'a', slots: { a: content('1') } });
    const back = transition(update, failed(bad), now);
    expect(back.update).toMatchObject({ active: 'a', quarantined: [digest('2')] });
    expect(back.effects).toContainEqual({ kind: 'serve', place: 'a' });
  });

  it('[UPD6] passes over what the director has quarantined meanwhile', () => {
    const forbid: UpdateEvent = { kind: 'forbid', counter: 3, bundles: [digest('1')] };
    const update = after(...toConfirmed('1'), ...toSoaking('2', 2), forbid, failed(bad));
    expect(update.active).toBe('factory');
  });

  it('[UPD4] who runs what the director quarantines leaves it at once; with nothing else, it goes on', () => {
    const forbid: UpdateEvent = { kind: 'forbid', counter: 3, bundles: [digest('2'), digest('f')] };
    const left = transition(after(...toConfirmed('1'), ...toConfirmed('2', 2)), forbid, now);
    expect(left.update).toMatchObject({ active: 'a', state: { kind: 'quarantined' } });
    expect(left.effects).toContainEqual({ kind: 'serve', place: 'a' });
    const alone = after({ kind: 'forbid', counter: 1, bundles: [digest('f')] });
    expect(alone.active).toBe('factory');
  });
});

it('[UPD6] whatever happens, what is active exists, and a candidate takes no place that runs', () => {
  const names = ['1', '2', '3'];
  const anyReason = fc.constantFrom<Reason>(bad, unlucky, { code: 'damaged', message: '' });
  const anyEvent = fc.oneof(
    fc.record({ kind: fc.constant('assign' as const), name: fc.constantFrom(...names, 'f') }),
    fc.record({ kind: fc.constant('stop' as const) }),
    fc.record({ kind: fc.constant('forbid' as const), bundles: fc.subarray(names.map(digest)) }),
    fc.record({ kind: fc.constant('failed' as const), reason: anyReason }),
    fc.record({ kind: fc.constant('fell-back' as const), reason: anyReason }),
    fc.constantFrom<UpdateEvent>(
      ...Object.values(events).filter(
        ({ kind }) =>
          !['assign', 'stop', 'forbid', 'failed', 'fell-back', 'fetched'].includes(kind),
      ),
    ),
    fc.record({ kind: fc.constant('fetched' as const) }),
  );
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (steps) => {
      let update = initialUpdate(factory);
      let counter = 0;
      for (const step of steps) {
        counter += 1;
        const before = update;
        const goal = 'goal' in update.state ? update.state.goal : undefined;
        const wanted = names.find((name) => digest(name) === goal?.bundle) ?? '1';
        const event = ((): UpdateEvent | undefined => {
          if ('name' in step) return assign(step.name, counter);
          if (step.kind === 'stop') return { ...events.stop, counter };
          if (step.kind === 'forbid') return { ...step, counter } as UpdateEvent;
          if (step.kind === 'fetched') return fetched(wanted);
          if (step.kind !== 'fell-back') return step as UpdateEvent;
          const [to] = placesBehind(update, update.active);
          return to && ({ ...step, to } as UpdateEvent);
        })();
        if (event === undefined) continue;
        update = transition(update, event, now).update;
        expect(contentOf(update, update.active)).toBeDefined();
        if (update.state.kind === 'verified') {
          expect(update.state.slot).not.toBe(update.active);
          expect(update.state.slot).toBe(freeSlot(before));
        }
        if (update.state.kind === 'soaking') expect(update.previous).not.toBe(update.active);
        if (update.state.kind === 'confirmed')
          expect(contentOf(update, update.active)?.bundle).toBe(update.state.goal.bundle);
        // Where something else could run, nothing that is barred does.
        const running = contentOf(update, update.active);
        if (running && isBarred(update, running.bundle) && update.active !== before.active)
          expect(placesBehind(update, update.active)).toEqual([]);
      }
    }),
    { numRuns: 500 },
  );
});
