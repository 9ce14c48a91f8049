import { describe, expect, it } from 'vitest';
import { sampleBundleRef, sampleFleet, samplePlan } from '../../testing/sample-rollout.ts';
import type { Member } from './member.ts';
import { planRetirement, successorsMin } from './retire-rollouts.ts';
import type { RolloutPlanInput } from './rollout-plan.ts';
import type { Phase, RolloutState } from './rollout-state.ts';

const nowMs = 1_750_000_000_000;
const dayMs = 86_400_000;
const keepNone = { endedMax: 0, endedMs: 1_000 * dayMs };
const fleet = sampleFleet(3);
const completed: Phase = { kind: 'completed', wave: 0, sinceMs: nowMs - dayMs };

function member(kind: 'safe' | 'reverting'): Member {
  const progress =
    kind === 'safe' ? { kind, atMs: 0 } : { kind, sinceMs: 0, toldMs: undefined as undefined };
  return {
    site: 'site-0',
    wave: 0,
    online: true,
    running: undefined,
    previous: undefined,
    issues: 1,
    goal: 'previous',
    progress,
    arm: undefined,
    outcome: undefined,
    lastOp: 0,
    health: undefined,
    baseline: undefined,
  };
}
const everybody = (extra: Record<string, Member> = {}): ReadonlyMap<string, Member> =>
  new Map([
    ...fleet.map(({ device }): [string, Member] => [device, member('safe')]),
    ...Object.entries(extra),
  ]);
const rollout = (
  id: string,
  phase: Phase = completed,
  members = everybody(),
  plan: Partial<RolloutPlanInput> = {},
): RolloutState => ({
  plan: samplePlan({ id, ...plan }),
  candidate: sampleBundleRef(),
  waves: [],
  createdMs: 0,
  phase,
  members,
  nextFetchMs: 0,
  nextActivateMs: 0,
  verdict: undefined,
});
const successors = (count = successorsMin, plan: Partial<RolloutPlanInput> = {}): RolloutState[] =>
  Array.from({ length: count }, (_, i) => rollout(`later-${i}`, completed, everybody(), plan));
const gone = (...all: RolloutState[]): readonly string[] =>
  planRetirement(all, fleet, keepNone, nowMs);

describe('which rollouts’ logs may go', () => {
  it('[ROL28] those for all of whose devices enough later ones have completed', () => {
    expect(gone(rollout('old'), ...successors())).toEqual(['old']);
    expect(gone(rollout('old'), ...successors(successorsMin - 1))).toEqual([]);
    expect(gone(rollout('old'), ...successors(successorsMin, { model: 'other' }))).toEqual([]);
  });

  it('[ROL28] none that is under way, or owed, or takes others than the later ones do', () => {
    const running: Phase = { kind: 'running', wave: 0, sinceMs: 0 };
    expect(gone(rollout('old', running), ...successors())).toEqual([]);
    const owed = everybody({ away: member('reverting') });
    expect(gone(rollout('old', completed, owed), ...successors())).toEqual([]);
    const left = everybody({ away: member('safe') });
    expect(gone(rollout('old', completed, left), ...successors())).toEqual(['old']);
    const site = { select: { sites: ['site-0'] } };
    expect(gone(rollout('old'), ...successors(successorsMin, site))).toEqual([]);
    const inner = rollout('old', completed, everybody(), site);
    expect(gone(inner, ...successors())).toEqual(['old']);
    const more = new Map([...everybody()].slice(1));
    const fewer = successors().map((each) => ({ ...each, members: more }));
    expect(gone(rollout('old'), ...fewer)).toEqual([]);
  });

  it('[ROL28] only where there are too many, or it has lain too long, and never at once', () => {
    const all = [rollout('old'), ...successors()];
    const after = (endedMax: number, endedMs: number, ms = nowMs) =>
      planRetirement(all, fleet, { endedMax, endedMs }, ms);
    expect(after(all.length, 2 * dayMs)).toEqual([]);
    expect(after(all.length - 1, 2 * dayMs)).toEqual(['old']);
    expect(after(all.length, dayMs)).toEqual(['old']);
    expect(after(0, 0, completed.sinceMs + 1_000)).toEqual([]);
  });
});
