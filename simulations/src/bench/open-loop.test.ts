import { expect, it } from 'vitest';
import { openLoop } from './open-loop.ts';

const load = { perSecond: 1_000, windowMs: 50, latencyMsMax: 10_000, lateShareMax: 0.1 };

it('sends as many as are due, whether they are answered or not', async () => {
  const sent: number[] = [];
  const latencies = await openLoop(load, async (i) => sent.push(i) > 0);
  expect(sent).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(latencies).toHaveLength(50);
});

it('is lost, and ends, when one request fails, or too many stay without an answer', async () => {
  expect(await openLoop(load, async (i) => i !== 3)).toBeUndefined();
  const never = () => new Promise<boolean>(() => {});
  expect(await openLoop({ ...load, latencyMsMax: 5 }, never)).toBeUndefined();
  const late = (i: number) => (i < 6 ? never() : Promise.resolve(true));
  expect(await openLoop({ ...load, latencyMsMax: 5 }, late)).toBeUndefined();
});
