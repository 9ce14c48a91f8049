import { createRandom, ok } from '@skerry/shared';
import { expect, it, vi } from 'vitest';
import type { StageOutcome } from '../infer/model.ts';
import { createShadow } from './shadow.ts';

const outcome = {
  exit: 1,
  prediction: { index: 3, confidence: 1, probabilities: [] },
  threshold: 0.5,
  hasNextEdgeStage: false,
} as unknown as StageOutcome;
const input = { datatype: 'UINT8', shape: [1], data: Uint8Array.of(7) } as const;
const terms = { runsMin: 1, agreementMin: 1, shareMax: 1, latencyMsMax: 100 };

const shadowWith = (inside: number, monotonicMs = () => 0) =>
  createShadow({ runStage: async () => ok(outcome) }, terms, {
    clock: { monotonicMs },
    random: createRandom(1),
    waiting: () => inside,
    computeMilliwatts: 1_000,
    memoryBytes: 1,
  });

it('[UPD9] runs beside a request that is alone, and leaves the model to those that wait', async () => {
  // A request on offer is inside itself: the model is busy where another is, too.
  const alone = shadowWith(1);
  alone.offer(input)?.(outcome);
  await vi.waitFor(() => expect(alone.progress()).toMatchObject({ answers: 1, agreed: 1 }));
  expect(shadowWith(2).offer(input)).toBeUndefined();
});

it('[UPD9] runs that take too long are rarer, and one slow run is not the last', async () => {
  let nowMs = 0;
  // Each run takes twice what is allowed.
  const shadow = shadowWith(1, () => {
    nowMs += 2 * terms.latencyMsMax;
    return nowMs;
  });
  let ran = 0;
  for (let request = 0; request < 100; request++) {
    shadow.offer(input)?.(outcome);
    await new Promise((resolve) => setImmediate(resolve));
    ran = shadow.progress().answers;
  }
  expect(ran).toBeGreaterThan(2);
  expect(ran).toBeLessThan(40);
});

it('[UPD9] a run that throws has failed, and is not the last', async () => {
  const shadow = createShadow(
    { runStage: () => Promise.reject(new Error('a bug')) },
    { ...terms },
    {
      clock: { monotonicMs: () => 0 },
      random: createRandom(1),
      waiting: () => 1,
      computeMilliwatts: 1_000,
      memoryBytes: 1,
    },
  );
  shadow.offer(input)?.(outcome);
  await vi.waitFor(() => expect(shadow.progress().failures).toBe(1));
  shadow.offer(input)?.(outcome);
  await vi.waitFor(() => expect(shadow.progress().failures).toBe(2));
});
