import type { ChatReply } from '@skerry/models/openai';
import { createRandom, err, type FailureCode, failure, ok, type Result } from '@skerry/shared';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Candidate, chooseUpstream } from './choose-upstream.ts';
import {
  envoyOutlierLimits,
  freshOutlier,
  isEjected,
  mayEject,
  type OutlierState,
  transitionOutlier,
} from './outlier.ts';
import type { Upstream } from './upstream.ts';
import { createUpstreamPool, type PoolMember, upstreamPoolDefaults } from './upstream-pool.ts';

const candidate = (more: Partial<Candidate> = {}): Candidate => ({
  tier: 0,
  weight: 1,
  underWay: 0,
  available: true,
  ...more,
});

describe('chooseUpstream', () => {
  it('takes the lowest tier that has one available', () => {
    const [away, last] = [candidate({ available: false }), candidate({ tier: 2 })];
    const first = candidate({ tier: 1 });
    for (const balancing of ['weighted', 'least-loaded'] as const)
      expect(chooseUpstream([away, last, first], balancing, 0)).toBe(first);
    expect(chooseUpstream([away], 'weighted', 0)).toBeUndefined();
  });

  it('takes who has the least to do for its weight', () => {
    const [busy, strong] = [candidate({ underWay: 1 }), candidate({ underWay: 2, weight: 4 })];
    expect(chooseUpstream([busy, strong], 'least-loaded', 0.5)).toBe(strong);
  });

  it('gives each its share by weight', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        (weights) => {
          const candidates = weights.map((weight) => candidate({ weight }));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const chosen = Array.from({ length: total }, (_, i) =>
            chooseUpstream(candidates, 'weighted', (i + 0.5) / total),
          );
          for (const [i, one] of candidates.entries())
            expect(chosen.filter((some) => some === one)).toHaveLength(weights[i] ?? 0);
        },
      ),
    );
  });
});

describe('outlier detection', () => {
  const fail = (state: OutlierState, times: number, nowMs: number): OutlierState =>
    Array.from({ length: times }).reduce<OutlierState>(
      (now) => transitionOutlier(now, 'failed', nowMs, true),
      state,
    );

  it('leaves out after five failures in a row, for thirty seconds, and longer each time up to five minutes', () => {
    expect(isEjected(fail(freshOutlier, 4, 0), 0)).toBe(false);
    const broken = transitionOutlier(fail(freshOutlier, 4, 0), 'succeeded', 0, true);
    expect(isEjected(fail(broken, 4, 0), 0)).toBe(false);
    let state = freshOutlier;
    let nowMs = 0;
    for (const times of [1, 2, 3, 10, 10, 10]) {
      const before = { ...state, ejections: times - 1 };
      state = fail(before, 5, nowMs);
      const outMs = Math.min(30_000 * times, 300_000);
      expect(state.ejectedUntilMs - nowMs).toBe(outMs);
      expect(isEjected(state, nowMs + outMs - 1)).toBe(true);
      expect(isEjected(state, nowMs + outMs)).toBe(false);
      nowMs += outMs;
    }
  });

  it('forgives one ejection for each ten seconds in which it behaves', () => {
    const out = fail(freshOutlier, 5, 0);
    const later = transitionOutlier(out, 'succeeded', 40_000, true);
    expect(later.ejections).toBe(0);
  });

  it('brings back whom a health check finds well', () => {
    const out = fail(freshOutlier, 5, 0);
    expect(isEjected(transitionOutlier(out, 'healthy', 1, true), 1)).toBe(false);
  });

  it('leaves out no more than a tenth, and one always', () => {
    expect(mayEject(0, 2)).toBe(true);
    expect(mayEject(1, 2)).toBe(false);
    expect(mayEject(1, 20)).toBe(true);
    const spared = transitionOutlier({ ...freshOutlier, failures: 9 }, 'failed', 0, false);
    expect(isEjected(spared, 0)).toBe(false);
    expect(envoyOutlierLimits.ejectedShareMax).toBe(0.1);
  });
});

interface Scripted {
  readonly member: PoolMember;
  calls: number;
  answer: () => Promise<Result<ChatReply>>;
  well: boolean;
}

const said = (text: string) => ok({ completion: { text } });
const no = (code: FailureCode) => async () => err(failure(code, 'no'));

function scripted(name: string, more: Partial<PoolMember> = {}): Scripted {
  const script: Scripted = {
    calls: 0,
    well: true,
    answer: async () => said(name),
    member: {
      upstream: {
        name,
        health: async () => (script.well ? ok(undefined) : err(failure('unavailable', 'ill'))),
        chat() {
          script.calls += 1;
          return script.answer();
        },
      } satisfies Upstream,
      models: { '*': '*' },
      tier: 0,
      weight: 1,
      concurrentMax: 4,
      ...more,
    },
  };
  return script;
}

const swallowing = (script: Scripted): Scripted => {
  script.answer = () => new Promise(() => {});
  return script;
};

function fresh(...scripts: Scripted[]) {
  const clock = createVirtualClock();
  const ports = { clock, random: createRandom(1) };
  const pool = createUpstreamPool(
    scripts.map(({ member }) => member),
    upstreamPoolDefaults,
    ports,
  );
  onTestFinished(pool.close);
  const ask = (leftMs = 1_000, model = 'm') =>
    pool.ask(model, 'chat', { leftMs }, (upstream, theirs, terms) =>
      upstream.chat
        ? upstream.chat({ model: theirs, messages: [{ role: 'user' }] }, terms)
        : Promise.resolve(err(failure('internal', 'cannot chat'))),
    );
  const pass = async (ms: number) => {
    const untilMs = clock.nowMs() + ms;
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = clock.runNext(untilMs) ? 0 : quiet + 1;
    }
  };
  return { pool, ask, pass };
}

describe('a pool of upstreams', () => {
  it('asks another where one cannot answer, down to the last', async () => {
    const [first, second, last] = [
      scripted('a'),
      scripted('b', { tier: 1 }),
      scripted('c', { tier: 2 }),
    ];
    const { ask } = fresh(first, second, last);
    first.answer = no('unavailable');
    expect(await ask()).toMatchObject({ value: { completion: { text: 'b' } } });
    second.answer = no('overloaded');
    expect(await ask()).toMatchObject({ value: { completion: { text: 'c' } } });
    last.answer = no('runtime_failed');
    expect(await ask()).toMatchObject({ error: { code: 'runtime_failed' } });
  });

  it('asks nobody else what nobody could answer, but another who may know the model', async () => {
    const [first, second] = [scripted('a'), scripted('b', { tier: 1 })];
    const { ask } = fresh(first, second);
    first.answer = no('invalid_argument');
    expect(await ask()).toMatchObject({ error: { code: 'invalid_argument' } });
    expect(second.calls).toBe(0);
    first.answer = no('model_not_found');
    expect(await ask()).toMatchObject({ value: { completion: { text: 'b' } } });
  });

  it('says what may pass where some cannot answer now and the rest never will', async () => {
    const [busy, ignorant, empty] = [
      scripted('busy'),
      scripted('ignorant', { tier: 1 }),
      scripted('empty', { tier: 2 }),
    ];
    busy.answer = no('overloaded');
    ignorant.answer = no('model_not_found');
    empty.answer = no('not_found');
    const { ask } = fresh(busy, ignorant, empty);
    expect(await ask()).toMatchObject({ error: { code: 'overloaded' } });
    expect(empty.calls).toBe(1);
    busy.answer = no('model_not_found');
    expect(await ask()).toMatchObject({ error: { code: 'not_found' } });
  });

  it('asks only who offers the model, by its own name for it', async () => {
    const [first, second] = [
      scripted('a', { models: { mine: 'theirs' } }),
      scripted('b', { models: {} }),
    ];
    const { ask } = fresh(first, second);
    expect(await ask(1_000, 'mine')).toMatchObject({ value: { completion: { text: 'a' } } });
    expect(await ask(1_000, 'other')).toMatchObject({ error: { code: 'model_not_found' } });
  });

  it('offers no model by a name that every object has', async () => {
    const { pool, ask } = fresh(scripted('a', { models: { mine: 'theirs' } }));
    for (const name of ['constructor', 'toString', '__proto__']) {
      expect(pool.isAvailable(name, 'chat')).toBe(false);
      expect(await ask(1_000, name)).toMatchObject({ error: { code: 'model_not_found' } });
    }
  });

  it('tells the models: those that it was told of, and what is listed by who takes any name', async () => {
    const listing = scripted('listing');
    const upstream = { ...listing.member.upstream, list: async () => ok(['b', 'a']) };
    const away = { ...listing.member.upstream, list: no('unavailable') };
    const { pool } = fresh(
      scripted('named', { models: { a: 'theirs', c: 'theirs' } }),
      { ...listing, member: { ...listing.member, upstream } },
      { ...listing, member: { ...listing.member, upstream: away } },
    );
    expect(await pool.models(['chat'], { leftMs: 1 })).toEqual(['a', 'c', 'b']);
    expect(await pool.models(['embed'], { leftMs: 1 })).toEqual([]);
  });

  it('leaves out who keeps failing, until a health check finds it well', async () => {
    const [bad, good] = [scripted('bad'), scripted('good', { tier: 1 })];
    const { pool, ask, pass } = fresh(bad, good);
    bad.answer = no('unavailable');
    bad.well = false;
    for (let i = 0; i < 8; i++)
      expect(await ask()).toMatchObject({ value: { completion: { text: 'good' } } });
    expect(bad.calls).toBe(envoyOutlierLimits.consecutiveFailuresMax);
    expect(pool.status()[0]).toMatchObject({ ejected: true, available: false });
    bad.answer = async () => said('bad');
    bad.well = true;
    await pass(upstreamPoolDefaults.healthEveryMs);
    expect(await ask()).toMatchObject({ value: { completion: { text: 'bad' } } });
  });

  it('looks again at one whose health check has thrown, and at the others', async () => {
    let looks = 0;
    const odd = scripted('odd');
    const health = async () => {
      if (looks++ === 0) throw new Error('a bug');
      return ok(undefined);
    };
    const member = { ...odd.member, upstream: { ...odd.member.upstream, health } };
    const { pool, pass } = fresh({ ...odd, member }, scripted('even'));
    const available = () => pool.status().map((each) => each.available);
    await pass(upstreamPoolDefaults.healthEveryMs);
    expect(available()).toEqual([false, true]);
    await pass(upstreamPoolDefaults.healthEveryMs);
    expect(available()).toEqual([true, true]);
    expect(looks).toBe(2);
  });

  it('takes it neither for well nor for ill that a call in a hurry was not answered', async () => {
    const { pool, ask, pass } = fresh(...[scripted('one')].map(swallowing));
    const hurried = ask(500);
    await pass(500);
    expect(await hurried).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(pool.status()[0]).toMatchObject({ underWay: 0, succeeded: 0, failed: 0 });
  });

  it('leaves out who swallows all, whatever calls in a hurry come between', async () => {
    const { pool, ask, pass } = fresh(...[scripted('one')].map(swallowing));
    for (let i = 0; i < envoyOutlierLimits.consecutiveFailuresMax; i++)
      for (const leftMs of [500, 1_000]) {
        const asking = ask(leftMs);
        await pass(leftMs);
        expect(await asking).toMatchObject({ error: { code: 'deadline_exceeded' } });
      }
    expect(pool.status()[0]).toMatchObject({ ejected: true });
  });

  it('does not close a breaker by a probe that had no time to prove anything', async () => {
    const one = scripted('one', { concurrentMax: 100 });
    const { pool, ask, pass } = fresh(one);
    const [requestsMin, sleepMs] = [20, 5_000]; // Hystrix's, which the breaker has.
    // At once, before any of them has made it an outlier.
    one.answer = no('unavailable');
    await Promise.all(Array.from({ length: requestsMin }, () => ask()));
    expect(pool.status()[0]).toMatchObject({ breaker: 'open' });
    await pass(upstreamPoolDefaults.healthEveryMs + sleepMs);
    swallowing(one);
    const probe = ask(500);
    await pass(500);
    expect(await probe).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(pool.status()[0]).toMatchObject({ breaker: 'half-open', available: false });
    one.answer = async () => said('one');
    await pass(sleepMs);
    expect(await ask()).toMatchObject({ ok: true });
    expect(pool.status()[0]).toMatchObject({ breaker: 'closed' });
  });

  it('keeps no place for a call that throws', async () => {
    const { pool } = fresh(scripted('one', { concurrentMax: 1 }));
    const throws = () => Promise.reject(new Error('a bug'));
    for (let i = 0; i < 2; i++)
      await expect(pool.ask('m', 'chat', { leftMs: 1_000 }, throws)).rejects.toThrow('a bug');
    expect(pool.status()[0]).toMatchObject({ underWay: 0, succeeded: 0, available: true });
  });

  it('shares one deadline over all tries', async () => {
    const [slow, other] = [scripted('slow'), scripted('other', { tier: 1 })];
    const { ask, pass } = fresh(slow, other);
    slow.answer = () => new Promise(() => {});
    const asking = ask(500);
    await pass(500);
    expect(await asking).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(other.calls).toBe(0);
  });

  it('pays a second try at one tier from tokens, which run out', async () => {
    const scripts = ['a', 'b', 'c'].map((name) => scripted(name));
    const { ask } = fresh(...scripts);
    for (const script of scripts) script.answer = no('runtime_failed');
    const calls = () => scripts.reduce((sum, script) => sum + script.calls, 0);
    await ask();
    expect(calls()).toBe(3);
    await ask();
    const after = calls();
    await ask();
    expect(calls() - after).toBe(1);
  });

  it('counts a call that goes on as under way until it is settled, and as failed where it then fails', async () => {
    const one = scripted('one', { concurrentMax: 1 });
    const { pool, ask } = fresh(one);
    const settles: ((ended: Result<unknown>) => void)[] = [];
    const begin = () =>
      pool.ask('m', 'chat', { leftMs: 1_000 }, async (_, __, ___, hold) => {
        settles.push(hold());
        return said('one');
      });
    expect(await begin()).toMatchObject({ ok: true });
    expect(pool.status()[0]).toMatchObject({ underWay: 1, succeeded: 0, failed: 0 });
    expect(await ask()).toMatchObject({ error: { code: 'unavailable' } });
    settles[0]?.(err(failure('unavailable', 'broke off')));
    settles[0]?.(ok(undefined));
    expect(pool.status()[0]).toMatchObject({ underWay: 0, succeeded: 0, failed: 1 });
  });

  it('gives one upstream no more at once than it may have', async () => {
    const [one, spare] = [scripted('one', { concurrentMax: 2 }), scripted('spare', { tier: 1 })];
    const { ask } = fresh(one, spare);
    one.answer = () => new Promise(() => {});
    void ask();
    void ask();
    expect(await ask()).toMatchObject({ value: { completion: { text: 'spare' } } });
  });
});
