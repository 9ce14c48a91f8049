// How long a caller waits. A request may say it, and its transport may: whichever ends first is when nobody waits.

import { requestDeadlineMsMax } from '@skerry/shared';
import { z } from 'zod';
import type { Caller } from './served-model.ts';

/** Of the request parameter `skerry_deadline_ms`. */
export const deadlineMsSchema = z.number().positive().max(requestDeadlineMsMax).optional();

/** Undefined where neither says; at most `requestDeadlineMsMax`. */
export function deadlineLeftMsOf(
  askedMs: number | undefined,
  { deadlineLeftMs }: Pick<Caller, 'deadlineLeftMs'>,
): number | undefined {
  if (askedMs === undefined && deadlineLeftMs === undefined) return undefined;
  return Math.min(askedMs ?? Infinity, deadlineLeftMs ?? Infinity, requestDeadlineMsMax);
}
