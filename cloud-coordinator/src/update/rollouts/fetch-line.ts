// The herd's line, as all coordinators of one database share it: which moments have been given away, by whichever rollout.
// A rollout's own log says it too, and only when it has been read: two that plan in the same instant would each begin where
// they believe that the other ends. So what takes moments is written here and in the rollout's log at once, or not at all.

import { defined, nameSchema } from '@skerry/shared';
import { z } from 'zod';
import { createEventLog, type EventLog } from '../../event-log/event-log.ts';
import type { EventStore } from '../../event-log/event-store.ts';
import { type Folding, foldedSchema } from '../../event-log/folding.ts';
import type { Issue } from './plan-issues.ts';

/** No rollout has such a name. */
export const lineLogName = 'fleet/line';

const momentSchema = z.int().nonnegative();
const drawnSchema = z.strictObject({
  kind: z.literal('drawn'),
  atMs: momentSchema,
  rollout: nameSchema,
  /** The last moments that are given away by now. */
  nextFetchMs: momentSchema,
  nextActivateMs: momentSchema,
  folded: foldedSchema.optional(),
});
export type Drawn = z.infer<typeof drawnSchema>;

export type FetchLine = EventLog<Drawn, Drawn | undefined>;

/** Each says all that those before it have come to. */
const folding: Folding<Drawn, Drawn | undefined> = {
  eventsMax: 64,
  eventsKept: 1,
  foldedIn: ({ folded }) => folded,
  make(state, folded) {
    return { ...defined(state, 'what was drawn'), folded };
  },
};

export const openFetchLine = (store: EventStore): FetchLine =>
  createEventLog<Drawn, Drawn | undefined>(
    store,
    lineLogName,
    drawnSchema,
    undefined,
    (state, { folded: _, ...drawn }) => ({
      ...drawn,
      nextFetchMs: Math.max(state?.nextFetchMs ?? 0, drawn.nextFetchMs),
      nextActivateMs: Math.max(state?.nextActivateMs ?? 0, drawn.nextActivateMs),
    }),
    undefined,
    folding,
  );

/** `undefined`: none of these waits for a moment of its own. */
export function drawnBy(
  rollout: string,
  issues: readonly Issue[],
  atMs: number,
): Drawn | undefined {
  const candidates = issues.filter(({ goal }) => goal === 'candidate');
  if (candidates.length === 0) return undefined;
  return {
    kind: 'drawn',
    atMs,
    rollout,
    nextFetchMs: Math.max(...candidates.map(({ fetchAtMs }) => fetchAtMs)),
    nextActivateMs: Math.max(...candidates.map(({ activateAtMs }) => activateAtMs)),
  };
}
