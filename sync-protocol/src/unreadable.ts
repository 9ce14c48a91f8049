// What becomes of a stored op that cannot be read any more.

import type { Answer } from './messages.ts';

const reason = {
  kind: 'failed',
  code: 'storage_failed',
  message: 'it cannot be read any more',
} as const;

/** To who asked, where the question is lost. */
export const lostQuestion = (requestId: string): Answer => {
  return { kind: 'answer', requestId, outcome: reason };
};

/**
 * Takes the place of a down op: an answer to a question that nobody has asked, which changes nothing. So its position
 * passes, for who waits for the device to come beyond it.
 */
export const placeholder: Answer = lostQuestion('unreadable');
