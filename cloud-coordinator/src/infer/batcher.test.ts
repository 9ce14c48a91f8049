import { createModelStatistics } from '@skerry/models/open-inference';
import { err, failure, ok, type Result } from '@skerry/shared';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import type { BatchLimits, QueuePolicy } from './batch-plan.ts';
import { createBatcher, type Turn } from './batcher.ts';

const defaults: BatchLimits & QueuePolicy = {
  rowsMax: 3,
  delayMs: 10,
  slots: 1,
  queueRowsMax: 5,
  timeoutAction: 'reject',
  defaultTimeoutMs: 0,
  allowTimeoutOverride: true,
};

/** A batcher whose runs are recorded, and end when they are told to. */
function fresh(more: Partial<typeof defaults> = {}) {
  const clock = createVirtualClock();
  const statistics = createModelStatistics();
  const batches: number[][] = [];
  const lefts: number[] = [];
  const ends: ((result: Result<readonly number[]> | Promise<never>) => void)[] = [];
  const batcher = createBatcher<number, number>(
    { ...defaults, ...more },
    clock,
    (rows, leftMs) => {
      batches.push([...rows]);
      lefts.push(leftMs);
      return new Promise((resolve) => ends.push(resolve));
    },
    statistics,
  );
  const submit = (row: number, turn: Partial<Turn> = {}) =>
    batcher.submit(row, { rows: 1, ...turn });
  const double = () => ends.shift()?.(ok((batches.at(-1) ?? []).map((row) => row * 2)));
  /** Fills the model, so that what comes next has to wait. */
  const occupy = () => [0, 0, 0].map((row) => submit(row));
  return { clock, batches, lefts, ends, batcher, submit, double, occupy, statistics };
}

describe('a batcher', () => {
  it('waits for company until the delay is over, and gives each row its own result', async () => {
    const { clock, batches, submit, double } = fresh();
    const results = [submit(1), submit(2)];
    clock.runNext(9);
    expect(batches).toEqual([]);
    clock.runNext(10);
    expect(batches).toEqual([[1, 2]]);
    double();
    expect(await Promise.all(results)).toEqual([ok(2), ok(4)]);
  });

  it('[QUA4] a batch that meets a bug fails, and what waits behind it has its turn', async () => {
    const { batches, ends, submit, double, occupy } = fresh();
    const first = occupy();
    const behind = [4, 5, 6].map((row) => submit(row));
    ends.shift()?.(Promise.reject(new Error('a bug')));
    for (const result of await Promise.all(first))
      expect(result).toMatchObject({ error: { code: 'internal', message: 'a bug' } });
    expect(batches).toEqual([
      [0, 0, 0],
      [4, 5, 6],
    ]);
    double();
    expect(await Promise.all(behind)).toEqual([ok(8), ok(10), ok(12)]);
  });

  it('runs a full batch at once, and lets the rest wait for its end', async () => {
    const { clock, batches, submit, double } = fresh();
    const results = [1, 2, 3, 4].map((row) => submit(row));
    expect(batches).toEqual([[1, 2, 3]]);
    clock.runNext(1_000);
    expect(batches).toHaveLength(1);
    double();
    await results[0];
    expect(batches).toEqual([[1, 2, 3], [4]]);
  });

  it('runs as many batches at once as there are instances', () => {
    const { batches, submit } = fresh({ slots: 2 });
    for (let row = 0; row < 8; row++) void submit(row);
    expect(batches).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  it('refuses a row more than its queue holds, unless whoever asks is bounded already', async () => {
    const { batcher, submit, occupy } = fresh();
    void Promise.all(occupy());
    for (let row = 0; row < defaults.queueRowsMax; row++) void submit(row);
    expect(await submit(99)).toMatchObject({ ok: false, error: { code: 'overloaded' } });
    void submit(99, { bounded: true });
    expect(batcher.waiting()).toBe(defaults.queueRowsMax + 1);
  });

  it('lets who has priority run first, and keeps the order of arrival among equals', async () => {
    const { batches, submit, double, occupy } = fresh();
    const first = occupy();
    void submit(1, { priority: 2 });
    void submit(2, { priority: 2 });
    void submit(3, { priority: 1 });
    double();
    await Promise.all(first);
    expect(batches[1]).toEqual([3, 1, 2]);
  });

  it('never runs whom nobody waits for any more', async () => {
    const { batches, submit, double, statistics } = fresh({ delayMs: 0 });
    const first = submit(0);
    const gone = new AbortController();
    const cancelled = submit(1, { signal: gone.signal });
    const kept = submit(2);
    gone.abort();
    expect(await cancelled).toMatchObject({ error: { code: 'unavailable' } });
    double();
    await first;
    double();
    await kept;
    expect(batches).toEqual([[0], [2]]);
    expect(statistics.read().failures).toMatchObject({ CANCELED: 1 });
    expect(await submit(3, { signal: gone.signal })).toMatchObject({ ok: false });
    expect(batches).toHaveLength(2);
  });

  it('never runs whose deadline passes in the queue, and says so in time though the model is busy', async () => {
    const { clock, batches, submit, double, occupy, statistics } = fresh();
    const first = occupy();
    const late = submit(1, { deadlineLeftMs: 50 });
    const patient = submit(2);
    while (clock.runNext(50));
    expect(await late).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(batches).toHaveLength(1);
    double();
    await Promise.all(first);
    while (clock.runNext(1_000));
    double();
    expect(await patient).toEqual(ok(4));
    expect(batches).toEqual([[0, 0, 0], [2]]);
    expect(statistics.read().failures).toMatchObject({ REJECTED: 1 });
  });

  it('puts behind others whose deadline has passed, where a late answer is wanted too, and runs it then', async () => {
    const { clock, batches, submit, double, occupy } = fresh();
    const first = occupy();
    const late = submit(1, { deadlineLeftMs: 50, latePriority: 2, bounded: true });
    while (clock.runNext(50));
    const others = [2, 3].map((row) => submit(row, { priority: 2 }));
    const awaited = submit(4, { deadlineLeftMs: 50, latePriority: 2, bounded: true });
    double();
    await Promise.all(first);
    expect(batches[1]).toEqual([4, 1, 2]);
    double();
    expect(await Promise.all([awaited, late, others[0]])).toEqual([ok(8), ok(2), ok(4)]);
  });

  it('tells a run how long it is waited for: without an end where one of its rows is wanted late too', async () => {
    const { clock, lefts, submit, double } = fresh({ rowsMax: 2, delayMs: 0 });
    const alone = submit(1, { deadlineLeftMs: 50 });
    const pair = [submit(2, { deadlineLeftMs: 30 }), submit(3, { deadlineLeftMs: 40 })];
    double();
    await alone;
    clock.runNext(1);
    double();
    await Promise.all(pair);
    void submit(4, { deadlineLeftMs: 30, latePriority: 2 });
    expect(lefts).toEqual([50, 40, Number.POSITIVE_INFINITY]);
  });

  it('lets whoever asks within a bound of its own wait longer than its timeout', async () => {
    const { clock, submit, double, occupy } = fresh({ defaultTimeoutMs: 20 });
    const first = occupy();
    const escalated = submit(2, { bounded: true });
    const impatient = submit(3);
    while (clock.runNext(1_000));
    expect(await impatient).toMatchObject({
      error: { code: 'deadline_exceeded', message: expect.stringContaining('after 20 ms') },
    });
    double();
    await Promise.all(first);
    while (clock.runNext(2_000));
    double();
    expect(await escalated).toEqual(ok(4));
  });

  it.each([
    ['the queue’s', { defaultTimeoutMs: 20 }, {}, 20],
    ['its own, where it may', {}, { queueTimeoutMs: 20 }, 20],
    ['the shorter', { defaultTimeoutMs: 50 }, { queueTimeoutMs: 20 }, 20],
    [
      'the queue’s, where it may name none',
      { defaultTimeoutMs: 50, allowTimeoutOverride: false },
      { queueTimeoutMs: 20 },
      50,
    ],
  ])('has a timeout in the queue: %s', async (_, more, turn, timeoutMs) => {
    const { clock, submit, occupy } = fresh(more);
    void Promise.all(occupy());
    let ended = false;
    const overdue = submit(1, turn).finally(() => {
      ended = true;
    });
    while (clock.runNext(timeoutMs - 1));
    await Promise.resolve();
    expect(ended).toBe(false);
    while (clock.runNext(timeoutMs));
    expect(await overdue).toMatchObject({ error: { code: 'deadline_exceeded' } });
  });

  it('fails every row of a batch that failed, and goes on', async () => {
    const { clock, batches, ends, submit, statistics } = fresh();
    const results = [1, 2, 3].map((row) => submit(row));
    ends.shift()?.(err(failure('runtime_failed', 'out of memory')));
    for (const result of await Promise.all(results))
      expect(result).toMatchObject({ error: { code: 'runtime_failed' } });
    void submit(4);
    clock.runNext(10);
    expect(batches.at(-1)).toEqual([4]);
    expect(statistics.read()).toMatchObject({ executions: 0, failures: { BACKEND: 3 } });
  });

  it('counts requests, rows, runs and waiting', async () => {
    const { clock, submit, double, statistics } = fresh();
    const results = [submit(1), submit(2, { rows: 2 })];
    clock.runNext(5);
    double();
    await Promise.all(results);
    expect(statistics.read()).toMatchObject({
      inferences: 3,
      executions: 1,
      success: { count: 2 },
      queue: { count: 2 },
      batches: [{ rows: 3, compute: { count: 1 } }],
    });
  });

  it('lets go of what waits when it closes', async () => {
    const { batcher, submit } = fresh();
    const waiting = submit(1);
    batcher.close();
    expect(await waiting).toMatchObject({ error: { code: 'unavailable' } });
    expect(await submit(2)).toMatchObject({ error: { code: 'unavailable' } });
  });
});
