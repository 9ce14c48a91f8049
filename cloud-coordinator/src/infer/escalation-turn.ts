// An escalation's turn among all that waits for a model: pure. Whom an app waits for comes first, then what is asked for a
// later answer, then audits, for which nobody waits at all.

import type { Escalation } from '@skerry/sync-protocol';
import type { Turn } from './batcher.ts';
import { middlePriority } from './serving-entry.ts';

/** How long an app waits yet, and whether it is an audit. */
export type Urgency = Pick<Escalation, 'deadlineLeftMs' | 'audit'>;

/**
 * The queue bounds it not, for the window of escalations does. Nor in time, for a late answer is wanted too: when nobody
 * waits any more it gives way, and is answered later.
 * @param priorities levels that clients name
 */
export function turnOf(
  { deadlineLeftMs, audit }: Urgency,
  priorities: number,
): Pick<Turn, 'bounded' | 'priority' | 'deadlineLeftMs' | 'latePriority'> {
  const latePriority = Math.max(2, middlePriority(priorities));
  if (audit !== undefined) return { bounded: true, priority: Math.max(3, priorities) };
  return deadlineLeftMs > 0
    ? { bounded: true, priority: 1, deadlineLeftMs, latePriority }
    : { bounded: true, priority: latePriority };
}

export const isAwaited = ({ deadlineLeftMs, audit }: Urgency): boolean =>
  audit === undefined && deadlineLeftMs > 0;
