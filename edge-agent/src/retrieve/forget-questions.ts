// The questions for later as a store that quotes documents.

import { ok } from '@skerry/shared';
import type { QuotingStore, StoreErasure } from './erase-document.ts';
import type { Forgotten, QuestionStore } from './question-store.ts';

export const forgetQuestions = (store: Pick<QuestionStore, 'forget'>): QuotingStore => ({
  async forget(document) {
    const forgotten = store.forget(document);
    return forgotten.ok ? ok(erasuresOf(forgotten.value)) : forgotten;
  },
});

function erasuresOf({ questions, open }: Forgotten): readonly StoreErasure[] {
  const asked: StoreErasure = {
    store: 'questions and their answers',
    state: 'erased',
    count: questions,
  };
  const outbox: StoreErasure = {
    store: 'questions on their way up',
    state: 'pending',
    count: open,
    note: 'they quote passages; each leaves this device when the coordinator has taken it',
  };
  const cloud: StoreErasure = {
    store: 'coordinator, and whoever it asked',
    state: 'unknown',
    count: questions,
    note: 'questions that went up quoted passages; what is kept of them there this device cannot tell',
  };
  return [asked, ...(open === 0 ? [] : [outbox]), ...(questions === 0 ? [] : [cloud])];
}
