// Takes what devices report into the logs of the rollouts that it is about. A report is closed when that is durable; one
// that no log could hold is set aside, so that the others are not held up by it.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import { writeEvent } from '../../event-log/event-log.ts';
import { eventCharsMax } from '../../event-log/event-store.ts';
import { reportedFrom } from './observe-fleet.ts';
import type { RolloutBook } from './rollout-book.ts';
import type { RolloutEvent } from './rollout-event.ts';

export interface ReportsPorts {
  readonly ops: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'quarantineOp'>;
  readonly clock: Clock;
  readonly log: Log;
}

const reportsPerTurn = 10_000;
const reportsPerRead = 500;

export async function takeReports(
  { ops, clock, log }: ReportsPorts,
  book: RolloutBook,
): Promise<Result<void>> {
  for (let read = 0; read < reportsPerTurn; read += reportsPerRead) {
    const open = await ops.openOps('update-report', reportsPerRead);
    if (!open.ok) return open;
    if (open.value.length === 0) break;
    const bad = new Set<number>();
    for (const target of book.rollouts()) {
      const state = target.log.state();
      if (state === undefined) continue;
      const told = reportedFrom(state, open.value, clock.nowMs());
      for (const op of tooLarge(told)) bad.add(op);
      const events = told.filter((event) => !isTooLarge(event));
      if (events.length === 0) continue;
      const appended = await book.append(target, events);
      if (!appended.ok) return appended;
      // They stay open: whoever was first takes them, or the next turn does.
      if (!appended.value) return ok(undefined);
    }
    // A report of a bundle that no rollout is about tells nothing that a heartbeat does not.
    const taken = open.value.map(({ id }) => id).filter((id) => !bad.has(id));
    const closed = await ops.closeOps(taken);
    if (!closed.ok) return closed;
    // What no log can hold must not keep the others waiting. [ROL26]
    for (const op of bad) {
      log.warn({ op }, 'a report is larger than an event may be, and is set aside');
      const reason = `a report of more than ${eventCharsMax} characters`;
      const aside = await ops.quarantineOp(op, reason, clock.nowMs());
      if (!aside.ok) return aside;
    }
  }
  return ok(undefined);
}

const isTooLarge = (event: RolloutEvent): boolean => writeEvent(event).length > eventCharsMax;
/** An event is too large where it holds one report alone, and that is. */
const tooLarge = (events: readonly RolloutEvent[]): readonly number[] =>
  events.flatMap((event) =>
    event.kind === 'reported' && isTooLarge(event) ? event.reports.map(({ op }) => op) : [],
  );
