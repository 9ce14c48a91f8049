import { describe, expect, it } from 'vitest';
import { laneOf, lanes, opKinds, upKinds } from './op-kinds.ts';
import { createBudget, evictableFor, fillLanes } from './outbox-plan.ts';

const ops = (count: number, bytes = 10) => Array.from({ length: count }, () => ({ bytes }));

describe('outbox plan', () => {
  it('[LAN1] each kind has a lane', () => {
    expect(Object.fromEntries(upKinds.map((kind) => [kind, laneOf({ kind })]))).toEqual({
      escalation: 'urgent',
      'document-change': 'normal',
      'update-report': 'bulk',
      'learn-reply': 'bulk',
      question: 'bulk',
      turn: 'bulk',
      forget: 'bulk',
      telemetry: 'bulk',
    });
  });

  it('[LAN2] takes one of each lane, and the rest by priority', () => {
    const waiting = { urgent: ops(20), normal: ops(20), bulk: ops(20) };
    expect(fillLanes(waiting, 256, 1e6, 0)).toEqual({ urgent: 20, normal: 20, bulk: 20 });
    expect(fillLanes(waiting, 10, 1e6, 0)).toEqual({ urgent: 8, normal: 1, bulk: 1 });
    expect(fillLanes(waiting, 256, 100, 0)).toEqual({ urgent: 8, normal: 1, bulk: 1 });
    expect(fillLanes({ ...waiting, urgent: [] }, 10, 1e6, 0)).toEqual({
      urgent: 0,
      normal: 9,
      bulk: 1,
    });
  });

  it('[LAN2] starves no lane, though each message is filled by one op of each', () => {
    const waiting = { urgent: ops(9, 90), normal: ops(9, 90), bulk: ops(9, 90) };
    const turns = [0, 1, 2, 3].map((turn) => fillLanes(waiting, 256, 100, turn));
    expect(turns.map((taken) => lanes.find((lane) => taken[lane] > 0))).toEqual([
      'urgent',
      'urgent',
      'urgent',
      'bulk',
    ]);
  });

  it('[LAN4] nothing that exists nowhere else makes room', () => {
    // A turn is kept on its device.
    expect(evictableFor('escalation')).toEqual(['telemetry', 'turn']);
    expect(evictableFor('forget')).toEqual(['telemetry', 'turn']);
    expect(evictableFor('document-change')).toEqual(['telemetry']);
    expect(evictableFor('telemetry')).toEqual([]);
    expect(opKinds.escalation.evictable).toBe(false);
  });

  it('[LAN5] a budget is an hour’s, and a kind’s own', () => {
    const budget = createBudget(() => 100);
    expect(budget.spend('telemetry', 60, 0)).toBe(true);
    expect(budget.spend('telemetry', 60, 1)).toBe(false);
    expect(budget.spend('telemetry', 40, 2)).toBe(true);
    expect(budget.spend('escalation', 100, 3)).toBe(true);
    expect(budget.spend('telemetry', 100, 3_600_000)).toBe(true);
  });
});
