// Upstreams that take their time, on a clock of our own.

import { createRandom, err, failure, ok, type Result } from '@skerry/shared';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHedgeBudget } from './hedge-budget.ts';
import { createUpstreamPool, type PoolMember, upstreamPoolDefaults } from './upstream-pool.ts';

const usualMs = 10;
const slowMs = 500;

/** Each call takes what `nextMs` says, and lets go when it is told to. */
function fresh(more: readonly Partial<PoolMember>[], hedgeShareMax = 1) {
  const clock = createVirtualClock();
  const seen = { calls: 0, cancelled: 0, nextMs: () => usualMs };
  const pool = createUpstreamPool(
    more.map((member, i) => ({
      upstream: {
        name: `server-${i}`,
        health: async () => ok(undefined),
        infer: async () => ok({}),
        chat: async () => ok({ completion: {} }),
      },
      models: { '*': '*' },
      tier: 0,
      weight: 1,
      concurrentMax: 64,
      ...member,
    })),
    { ...upstreamPoolDefaults, hedgeShareMax },
    { clock, random: createRandom(1) },
  );
  onTestFinished(pool.close);
  const answer = (name: string, signal: AbortSignal | undefined): Promise<Result<string>> => {
    seen.calls += 1;
    return new Promise((resolve) => {
      const timer = clock.after(seen.nextMs(), () => resolve(ok(name)));
      signal?.addEventListener('abort', () => {
        timer.cancel();
        seen.cancelled += 1;
        resolve(err(failure('unavailable', 'cancelled')));
      });
    });
  };
  /** One call, and how long it took. */
  const ask = async (method: 'infer' | 'chat' = 'infer', leftMs = 5_000) => {
    const startedMs = clock.nowMs();
    const ended: { result: Result<string>; tookMs: number }[] = [];
    void pool
      .ask('m', method, { leftMs }, ({ name }, _, { signal }) => answer(name, signal))
      .then((result) => ended.push({ result, tookMs: clock.nowMs() - startedMs }));
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [end] = ended;
      if (end !== undefined) return end;
      clock.runNext(clock.nowMs() + 10_000);
    }
  };
  /** Until it is known how long a call takes. */
  const learn = async (method: 'infer' | 'chat' = 'infer') => {
    for (let i = 0; i < 10; i++) await ask(method);
    seen.calls = 0;
  };
  /** The next call is slow, and those after it are as ever. */
  const stallOnce = () => {
    let stalled = false;
    seen.nextMs = () => {
      if (stalled) return usualMs;
      stalled = true;
      return slowMs;
    };
  };
  const hedges = () => pool.status().reduce((sum, member) => sum + member.hedges, 0);
  return { pool, ask, learn, stallOnce, seen, hedges };
}

describe('a call that takes longer than nearly all', () => {
  it('is sent to a second upstream too; whoever is not needed any more is cancelled, and not blamed', async () => {
    const { pool, ask, learn, stallOnce, seen, hedges } = fresh([{}, {}]);
    await learn();
    stallOnce();
    expect(await ask()).toMatchObject({ result: { ok: true }, tookMs: 2 * usualMs });
    expect(seen).toMatchObject({ calls: 2, cancelled: 1 });
    expect(hedges()).toBe(1);
    expect(pool.status()).toMatchObject([
      { failed: 0, underWay: 0 },
      { failed: 0, underWay: 0 },
    ]);
  });

  it.each<[string, Partial<PoolMember>[], 'infer' | 'chat', number]>([
    ['another tier', [{}, { tier: 1 }], 'infer', 1],
    ['no other upstream', [{}], 'infer', 1],
    ['an answer that may not be made twice', [{}, {}], 'chat', 1],
    ['a share of nothing', [{}, {}], 'infer', 0],
  ])('is waited for where there is %s', async (_, members, method, share) => {
    const { ask, learn, stallOnce, seen } = fresh(members, share);
    await learn(method);
    stallOnce();
    expect(await ask(method)).toMatchObject({ result: { ok: true }, tookMs: slowMs });
    expect(seen.calls).toBe(1);
  });

  it('is waited for while nobody knows how long they take', async () => {
    const { ask, stallOnce, seen } = fresh([{}, {}]);
    stallOnce();
    expect(await ask()).toMatchObject({ tookMs: slowMs });
    expect(seen.calls).toBe(1);
  });

  it.each([1, 0.02])('is one of few: a share of %d at most', async (share) => {
    const { ask, learn, seen, hedges } = fresh([{}, {}], share);
    await learn();
    const random = createRandom(7);
    seen.nextMs = () => usualMs + slowMs * random.next();
    for (let i = 0; i < 400; i++) await ask();
    expect(hedges()).toBeGreaterThan(0);
    if (share < 1) expect(hedges()).toBeLessThanOrEqual(share * 410);
    else expect(hedges()).toBeGreaterThan(0.02 * 410);
  });
});

it('who had no time to answer is not to blame for being late', async () => {
  const { pool, ask, learn } = fresh([{}]);
  await learn();
  for (let i = 0; i < 10; i++)
    expect(await ask('infer', usualMs / 2)).toMatchObject({
      result: { error: { code: 'deadline_exceeded' } },
    });
  expect(pool.status()).toMatchObject([{ failed: 0, ejected: false }]);
});

it('a budget of second calls saves up ten of them, and no more', () => {
  const budget = createHedgeBudget(0.5);
  expect(budget.admits()).toBe(false);
  for (let i = 0; i < 1_000; i++) budget.called();
  const admitted = Array.from({ length: 20 }, budget.admits);
  expect(admitted.filter(Boolean)).toHaveLength(10);
});
