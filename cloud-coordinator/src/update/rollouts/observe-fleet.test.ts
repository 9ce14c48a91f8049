import { expect, it } from 'vitest';
import { writeEvent } from '../../event-log/event-log.ts';
import { eventCharsMax } from '../../event-log/event-store.ts';
import {
  candidateDigest,
  incumbentDigest,
  sampleBundleRef,
  sampleFleet,
  sampleHealth,
  samplePlan,
} from '../../testing/sample-rollout.ts';
import { fixWaves } from './fix-waves.ts';
import { heardFrom, joinedFrom, reportedFrom } from './observe-fleet.ts';
import type { RolloutEvent } from './rollout-event.ts';
import { replay } from './rollout-state.ts';

it('[ROL8] what a device said before it reported that it had let go turns it back no second time', () => {
  const [device] = sampleFleet(1);
  if (device === undefined) throw new Error('a fleet of one');
  const plan = samplePlan({ waves: [{}] });
  const created = {
    kind: 'created' as const,
    atMs: 0,
    by: 'ada',
    plan,
    candidate: sampleBundleRef(),
    waves: [...fixWaves(plan, [device])],
  };
  const begun = replay([created]);
  if (begun === undefined) throw new Error('a rollout');
  const name = device.device;
  const goal = { fetchAtMs: 0, activateAtMs: 0 };
  const events: RolloutEvent[] = [
    created,
    ...joinedFrom(begun, [device], 0),
    { kind: 'issued', atMs: 1, issues: [{ device: name, goal: 'candidate', ...goal }] },
    {
      kind: 'heard',
      atMs: 2,
      devices: [{ device: name, online: true, seenMs: 2, running: candidateDigest }],
    },
    { kind: 'rollback-ordered', atMs: 10, by: 'ada', reason: 'so' },
    { kind: 'issued', atMs: 11, issues: [{ device: name, goal: 'previous', ...goal }] },
    {
      kind: 'reported',
      atMs: 20,
      reports: [{ device: name, op: 1, state: 'quarantined', running: incumbentDigest }],
    },
  ];
  const state = replay(events);
  if (state === undefined) throw new Error('a rollout');
  expect(state.phase.kind).toBe('rolled-back');
  const heard = (seenMs: number, running: string) =>
    heardFrom(state, [{ ...device, seenMs, running: { digits: running } }], () => false, 30);
  // Its status was made while it still ran the candidate, and came with the report.
  expect(heard(19, candidateDigest)).toEqual([]);
  expect(heard(21, candidateDigest)).toMatchObject([{ kind: 'heard' }]);
});

it('[ROL26] the longest reports that devices may send become events that a log can hold', () => {
  const devices = sampleFleet(500);
  const plan = samplePlan({ waves: [{}] });
  const created = {
    kind: 'created' as const,
    atMs: 0,
    by: 'ada',
    plan,
    candidate: sampleBundleRef(),
    waves: [...fixWaves(plan, devices)],
  };
  const begun = replay([created]);
  const state = begun && replay([created, ...joinedFrom(begun, devices, 0)]);
  if (state === undefined) throw new Error('a rollout');
  const health = sampleHealth(1, {
    labels: Array.from({ length: 64 }, () => Number.MAX_SAFE_INTEGER),
  });
  const ops = devices.map(({ device }, i) => ({
    id: i + 1,
    device,
    atMs: 0,
    body: {
      kind: 'update-report' as const,
      model: plan.model,
      version: plan.version,
      bundle: candidateDigest,
      counter: 1,
      state: 'soaking' as const,
      attempt: 1,
      // A control character is six in JSON.
      reason: { code: 'x', message: '\u0001'.repeat(512) },
      health,
      baseline: health,
    },
  }));
  const events = reportedFrom(state, ops, 1);
  expect(Math.max(...events.map((event) => writeEvent(event).length))).toBeLessThan(eventCharsMax);
  const told = events.flatMap((event) => (event.kind === 'reported' ? event.reports : []));
  expect(told.map(({ op }) => op)).toEqual(ops.map(({ id }) => id));
});
