import { expect, it } from 'vitest';
import { sampleBundleRef, sampleFleet, samplePlan } from '../../testing/sample-rollout.ts';
import { claimsOver, isSuperseded } from './claims-over.ts';
import { fixWaves } from './fix-waves.ts';
import { joinedFrom } from './observe-fleet.ts';
import { begin, type RolloutState, transition } from './rollout-state.ts';

const fleet = sampleFleet(20);
/** Completed, with everybody of the sites a member who was never told anything: they were away. */
const completed = (id: string, sites: string[]): RolloutState => {
  const plan = samplePlan({ id, waves: [{}], select: { sites } });
  const waves = [...fixWaves(plan, fleet)];
  const begun = begin({
    kind: 'created',
    atMs: 0,
    by: 'ada',
    plan,
    candidate: sampleBundleRef(),
    waves,
  });
  const [joined] = joinedFrom(begun, fleet, 0);
  if (joined === undefined) throw new Error('nobody joined');
  const state = { ...begun, phase: { kind: 'completed' as const, wave: 0, sinceMs: 1 } };
  return transition(state, joined).state;
};

it('[ROL16] what a later one has completed is its own, also who was away, and nothing else is', () => {
  const older = completed('digits-1', ['site-0', 'site-1']);
  const later = completed('digits-2', ['site-1']);
  const all = [older, later];
  const isClaimed = claimsOver(older, all);
  expect([isClaimed('device-0'), isClaimed('device-10')]).toEqual([false, true]);
  expect(isSuperseded(older, all, fleet)).toBe(false);
  const last = completed('digits-3', ['site-0']);
  expect(isSuperseded(older, [...all, last], fleet)).toBe(true);
  expect(isSuperseded(last, [...all, last], fleet)).toBe(false);
});
