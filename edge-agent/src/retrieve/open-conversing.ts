// What people ask of a library, over the device's outbox: questions that are answered later, and conversations that are
// shared.

import type { Clock, Log, Random, Result } from '@skerry/shared';
import { ok } from '@skerry/shared';
import type { DeviceStore, UpBody } from '@skerry/sync-protocol';
import type { AgentConfig } from '../config.ts';
import { createLateQuestions, type LateQuestions } from './late-questions.ts';
import type { LibraryPorts } from './served-library.ts';
import { type SharedConversations, shareConversations } from './share-conversations.ts';

export interface ConversingPorts {
  readonly store: Pick<DeviceStore, 'append' | 'withdraw'>;
  readonly onAppended: () => void;
  readonly linkUp: () => boolean;
  /** Answers have become late ones. */
  readonly onSettled: (count: number) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Conversing {
  readonly questions: LateQuestions;
  readonly conversations: SharedConversations;
}

export function openConversing(
  share: AgentConfig['conversationShare'],
  { library, questions, conversations, caches, fetchTurns }: LibraryPorts,
  { store, onAppended, linkUp, onSettled, clock, random, log }: ConversingPorts,
): Conversing {
  const append = (body: UpBody, effect?: () => void): Result<number> => {
    const appended = store.append(body, clock.nowMs(), effect);
    if (appended.ok) onAppended();
    return appended;
  };
  return {
    questions: createLateQuestions({
      ...{ library, append, clock, random, log, onSettled },
      store: questions,
      cache: caches?.answers,
    }),
    conversations: shareConversations({
      ...{ append, questions, fetchTurns, linkUp, clock, log },
      store: conversations,
      share: share === 'off' ? undefined : share,
      withdraw(isMeant) {
        for (const kind of ['turn', 'question'] as const) {
          const withdrawn = store.withdraw(
            kind,
            (body) => (body.kind === 'turn' || body.kind === 'question') && isMeant(body),
          );
          if (!withdrawn.ok) return withdrawn;
        }
        return ok(undefined);
      },
    }),
  };
}
