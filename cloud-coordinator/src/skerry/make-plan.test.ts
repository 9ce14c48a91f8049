import { expect, it } from 'vitest';
import { sampleFleet } from '../testing/sample-rollout.ts';
import { fixWaves } from '../update/rollouts/fix-waves.ts';
import { makePlan, planFlags } from './make-plan.ts';

it.each([
  ['5,50', [5, 45, 50]],
  ['20,10%,100%', [20, 80]],
  ['20,50%,100%', [20, 30, 50]],
  ['1%,10%,100%', [1, 9, 90]],
  ['7%,30%', [7, 23, 70]],
])('[ROL10] each wave of %j goes so far with those before it', (waves, sizes) => {
  const plan = makePlan(planFlags.parse({ model: 'digits', version: '1.1.0', waves }));
  if (!plan.ok) throw new Error(plan.error.message);
  expect(fixWaves(plan.value, sampleFleet(100)).map(({ size }) => size)).toEqual(sizes);
});
