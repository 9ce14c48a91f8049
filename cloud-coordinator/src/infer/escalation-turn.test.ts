import { expect, it } from 'vitest';
import { turnOf } from './escalation-turn.ts';
import { middlePriority } from './serving-entry.ts';

it.each([1, 2, 3, 7, 100])(
  'whom an app waits for is before later answers, and they before audits, of %d levels',
  (levels) => {
    const awaited = turnOf({ deadlineLeftMs: 50 }, levels);
    const later = turnOf({ deadlineLeftMs: 0 }, levels);
    const audit = turnOf({ deadlineLeftMs: 50, audit: 'exit' }, levels);
    const order = [awaited, later, audit].map(({ priority = 0 }) => priority);
    expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
    expect(awaited).toMatchObject({ deadlineLeftMs: 50, latePriority: later.priority });
    expect(later.deadlineLeftMs).toBeUndefined();
    expect(audit.deadlineLeftMs).toBeUndefined();
    // Clients who name no priority come before those for whom nobody waits, or beside them.
    expect(later.priority).toBeGreaterThanOrEqual(middlePriority(levels));
  },
);
