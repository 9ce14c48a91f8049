import { err, failure, ok, type Result } from '@skerry/shared';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { createBatcher } from './batcher.ts';

const limits = { rowsMax: 3, delayMs: 10, queueRowsMax: 5 };

/** A batcher whose runs are recorded, and end when they are told to. */
function fresh() {
  const clock = createVirtualClock();
  const batches: number[][] = [];
  const ends: ((result: Result<readonly number[]>) => void)[] = [];
  const batcher = createBatcher<number, number>(limits, clock, (rows) => {
    batches.push([...rows]);
    return new Promise((resolve) => ends.push(resolve));
  });
  const double = () => ends.shift()?.(ok((batches.at(-1) ?? []).map((row) => row * 2)));
  return { clock, batches, ends, batcher, double };
}

describe('a batcher', () => {
  it('waits for company until the delay is over, and gives each row its own result', async () => {
    const { clock, batches, batcher, double } = fresh();
    const results = [batcher.submit(1), batcher.submit(2)];
    clock.runNext(9);
    expect(batches).toEqual([]);
    clock.runNext(10);
    expect(batches).toEqual([[1, 2]]);
    double();
    expect(await Promise.all(results)).toEqual([ok(2), ok(4)]);
  });

  it('runs a full batch at once, and lets the rest wait for its end', async () => {
    const { clock, batches, batcher, double } = fresh();
    const results = [1, 2, 3, 4].map((row) => batcher.submit(row));
    expect(batches).toEqual([[1, 2, 3]]);
    clock.runNext(1_000);
    expect(batches).toHaveLength(1);
    double();
    await results[0];
    expect(batches).toEqual([[1, 2, 3], [4]]);
  });

  it('refuses a row more than its queue holds', async () => {
    const { batcher } = fresh();
    const running = limits.rowsMax;
    for (let row = 0; row < running + limits.queueRowsMax; row++) void batcher.submit(row);
    expect(await batcher.submit(99)).toMatchObject({ ok: false, error: { code: 'overloaded' } });
  });

  it('fails every row of a batch that failed, and goes on', async () => {
    const { clock, batches, ends, batcher } = fresh();
    const results = [1, 2, 3].map((row) => batcher.submit(row));
    ends.shift()?.(err(failure('runtime_failed', 'out of memory')));
    for (const result of await Promise.all(results))
      expect(result).toMatchObject({ error: { code: 'runtime_failed' } });
    void batcher.submit(4);
    clock.runNext(10);
    expect(batches.at(-1)).toEqual([4]);
  });

  it('lets go of what waits when it closes', async () => {
    const { batcher } = fresh();
    const waiting = batcher.submit(1);
    batcher.close();
    expect(await waiting).toMatchObject({ error: { code: 'unavailable' } });
    expect(await batcher.submit(2)).toMatchObject({ error: { code: 'unavailable' } });
  });
});
