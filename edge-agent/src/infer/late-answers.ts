// All that came late, in one order: answers of models, and answers in words.

import type { QuestionRecord, QuestionStore } from '../retrieve/question-store.ts';
import type { EscalationRecord, EscalationStore } from './escalation-store.ts';

export type LateRecord = EscalationRecord | QuestionRecord;

export interface LateAnswers {
  /** By our request id, or, of a model's, the app's own. */
  get(id: string): LateRecord | undefined;
  /** With `settled` > `after`, oldest first. */
  lateAfter(after: number, recordsMax: number): readonly LateRecord[];
  /** The newest `settled`; 0 before the first. */
  lastSettled(): number;
}

export const isQuestion = (record: LateRecord): record is QuestionRecord => 'question' in record;

export function createLateAnswers(
  escalations: Pick<EscalationStore, 'get' | 'lateAfter' | 'lastSettled'>,
  questions: Pick<QuestionStore, 'get' | 'lateAfter'> | undefined,
): LateAnswers {
  if (questions === undefined) return escalations;
  return {
    get: (id) => escalations.get(id) ?? questions.get(id),
    lateAfter: (after, recordsMax) =>
      [...escalations.lateAfter(after, recordsMax), ...questions.lateAfter(after, recordsMax)]
        .sort((a, b) => (a.settled ?? 0) - (b.settled ?? 0))
        .slice(0, recordsMax),
    lastSettled: escalations.lastSettled,
  };
}
