import { err, failure, type Log, ok, type Result } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { keepFresh } from './keep-fresh.ts';

type Refreshed = Result<'fresh' | 'signed'>;

function start(results: readonly Refreshed[]) {
  const clock = createVirtualClock();
  const errors: string[] = [];
  const said = (_: unknown, message: string): void => {
    errors.push(message);
  };
  const log: Log = { debug() {}, info() {}, warn() {}, error: said };
  let asked = 0;
  const freshness = keepFresh(
    { refresh: async () => results[asked++] ?? ok('fresh') },
    { clock, log },
  );
  return { clock, errors, freshness, asked: () => asked };
}

const hourMs = 3_600_000;

/** What the timers have begun comes to its end. */
async function pass(clock: ReturnType<typeof createVirtualClock>, untilMs: number): Promise<void> {
  await new Promise(setImmediate);
  while (clock.runNext(untilMs)) await new Promise(setImmediate);
}

it('[TUF7] looks at start and goes on looking, also after it could not sign', async () => {
  const failed = err(failure('untrusted', 'timestamp has 0 of 1 signatures'));
  const { clock, errors, freshness, asked } = start([failed, failed]);
  await pass(clock, hourMs);
  expect(asked()).toBeGreaterThan(4);
  expect(errors).toHaveLength(2);
  await freshness.close();
  const before = asked();
  await pass(clock, 5 * hourMs);
  expect(asked()).toBe(before);
});
