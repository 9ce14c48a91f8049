import { healthLabelsMax, healthSchema } from '@skerry/sync-protocol/update';
import { expect, it } from 'vitest';
import { createHealthMeter } from './health-meter.ts';

const answer = (label?: number) => ({
  computeMs: 1,
  degraded: false,
  source: 'exit:1',
  ...(label === undefined ? {} : { label }),
});

it('[UPD20] tells how often each class was answered, over a restart', () => {
  const first = createHealthMeter(1, () => 0);
  expect(first.read().labels).toBeUndefined();
  for (const label of [2, 0, 2]) first.answered(answer(label));
  expect(first.read().labels).toEqual([1, 0, 2]);
  const next = createHealthMeter(1, () => 0, first.read());
  next.answered(answer(3));
  next.answered(answer());
  expect(next.read()).toMatchObject({ requests: 5, labels: [1, 0, 2, 1] });
  expect(first.read().labels).toEqual([1, 0, 2]);
});

it('[UPD20] tells of no class where there are more than a report may name', () => {
  const meter = createHealthMeter(1, () => 0);
  meter.answered(answer(healthLabelsMax - 1));
  expect(healthSchema.safeParse(meter.read()).data?.labels).toHaveLength(healthLabelsMax);
  meter.answered(answer(healthLabelsMax));
  meter.answered(answer(0));
  expect(meter.read().labels).toBeUndefined();
});
