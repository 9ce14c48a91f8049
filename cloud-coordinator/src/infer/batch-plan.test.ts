import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planQueue, type Waiting } from './batch-plan.ts';

const limits = { rowsMax: 4, delayMs: 10, runMs: 3 };
const never = Number.POSITIVE_INFINITY;
const nowMs = 100;

const waiting = (arrivedAtMs: number, more: Partial<Waiting> = {}): Waiting => ({
  rows: 1,
  key: '',
  priority: 1,
  arrivedAtMs,
  timeoutAtMs: never,
  deadlineAtMs: never,
  ...more,
});

const plan = (queue: readonly Waiting[], freeSlots = 1, action: 'reject' | 'delay' = 'reject') =>
  planQueue(queue, freeSlots, nowMs, limits, action);

describe('planQueue', () => {
  const [late, early] = [waiting(100), waiting(90)];
  it.each<[string, readonly Waiting[], number, ReturnType<typeof plan>]>([
    ['nothing waits', [], 1, { expired: [], late: [] }],
    ['the oldest has just come', [late], 1, { expired: [], late: [], wakeAtMs: 110 }],
    [
      'the oldest has waited long enough',
      [early, late],
      1,
      { expired: [], late: [], batch: [early, late] },
    ],
    [
      'the batch is full',
      [late, late, late, late],
      1,
      { expired: [], late: [], batch: [late, late, late, late] },
    ],
    ['the model is busy', [early, early, early, early], 0, { expired: [], late: [] }],
  ])('%s', (_when, queue, slots, expected) => {
    expect(plan(queue, slots)).toEqual(expected);
  });

  it('takes no more rows than fit, and runs at once what no other could join', () => {
    const [two, three] = [waiting(100, { rows: 2 }), waiting(100, { rows: 3 })];
    expect(plan([two, three]).batch).toEqual([two]);
  });

  it('runs together what has one key alone', () => {
    const [a, b] = [waiting(100, { key: 'a' }), waiting(100, { key: 'b' })];
    expect(plan([a, b, a]).batch).toEqual([a]);
  });

  it('drops who has a deadline that has passed, and wakes for the next, also while the model is busy', () => {
    const [gone, soon] = [waiting(0, { deadlineAtMs: 100 }), waiting(0, { deadlineAtMs: 105 })];
    expect(plan([gone, soon], 0)).toEqual({ expired: [gone], late: [], wakeAtMs: 105 });
  });

  it('rejects who has waited too long, or delays them behind all others', () => {
    const overdue = waiting(0, { timeoutAtMs: 99 });
    const fresh = waiting(90);
    expect(plan([overdue, fresh])).toEqual({ expired: [overdue], late: [], batch: [fresh] });
    expect(plan([overdue, fresh], 1, 'delay')).toEqual({
      expired: [],
      late: [],
      batch: [fresh, overdue],
    });
  });

  it('puts behind others whose deadline has passed, where a late answer is wanted too', () => {
    const wanted = waiting(0, { deadlineAtMs: 100, latePriority: 2 });
    const gone = waiting(0, { deadlineAtMs: 100 });
    const next = waiting(90);
    expect(plan([wanted, gone, next])).toEqual({ expired: [gone], late: [wanted], batch: [next] });
  });

  it('waits for company no longer than leaves time for the run', () => {
    expect(plan([waiting(100, { deadlineAtMs: 108 })]).wakeAtMs).toBe(108 - limits.runMs);
    const soon = waiting(100, { deadlineAtMs: 103 });
    expect(plan([soon]).batch).toEqual([soon]);
  });

  it('never runs what is expired, never more than fits, never out of order', () => {
    const anyWaiting = fc
      .record({
        rows: fc.integer({ min: 1, max: 4 }),
        arrivedAtMs: fc.integer({ min: 0, max: 100 }),
        timeoutAtMs: fc.integer({ min: 80, max: 130 }),
        deadlineAtMs: fc.integer({ min: 80, max: 130 }),
        key: fc.constantFrom('a', 'b'),
        latePriority: fc.constantFrom(undefined, 2),
      })
      .map(({ latePriority, ...some }) =>
        waiting(0, latePriority === undefined ? some : { ...some, latePriority }),
      );
    fc.assert(
      fc.property(fc.array(anyWaiting), fc.constantFrom('reject', 'delay'), (queue, action) => {
        const { expired, late, batch = [] } = plan(queue, 1, action);
        for (const dead of queue.filter(({ deadlineAtMs }) => deadlineAtMs <= nowMs))
          expect(dead.latePriority === undefined ? expired : late).toContain(dead);
        expect(batch.some((run) => expired.includes(run) || late.includes(run))).toBe(false);
        expect(batch.reduce((rows, run) => rows + run.rows, 0)).toBeLessThanOrEqual(limits.rowsMax);
        expect(new Set(batch.map(({ key }) => key)).size).toBeLessThanOrEqual(1);
        const inTime = queue.filter(({ timeoutAtMs }) => timeoutAtMs > nowMs);
        const places = batch.filter((run) => inTime.includes(run)).map((run) => queue.indexOf(run));
        expect(places).toEqual([...places].sort((a, b) => a - b));
      }),
    );
  });
});
