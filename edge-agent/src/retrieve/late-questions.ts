// Questions that nobody could answer at once: made durable with what was found, asked when there is a link, and checked
// against the library when something is said.

import { type Clock, createId, type Log, ok, type Random, type Result } from '@skerry/shared';
import { type Question, questionCharactersMax, type Said } from '@skerry/sync-protocol';
import { type CheckedSaid, checkQuotes, checkSentences } from './check-sentences.ts';
import type { FoundPassage, Library } from './library.ts';
import type { Passage } from './passage.ts';
import { promptFor } from './prompt.ts';
import type { PassageRef, QuestionRecord, QuestionStore } from './question-store.ts';

export interface LateQuestionsPorts {
  readonly library: Library;
  readonly store: QuestionStore;
  /** Makes it durable together with `effect`, and sets it going. */
  readonly append: (body: Question, effect: () => void) => Result<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Answers have become late ones. */
  readonly onSettled: (count: number) => void;
}

export interface LateQuestion {
  readonly question: string;
  /** As the app has named the library. */
  readonly model: string;
  /** The text model that is asked. */
  readonly answerModel: string;
  readonly confidence: number;
  readonly found: readonly FoundPassage[];
}

export interface LateQuestions {
  /** Its id, by which the answer will come. Fails as the outbox does. */
  ask(question: LateQuestion): Result<string>;
  /** Inside the transaction that applies it. */
  record(said: Said): void;
  /** After that transaction, and at a start: checks what was said, and gives it out. */
  check(): Promise<void>;
}

const promptTokensMax = 1_500;
const promptCharactersMax = questionCharactersMax - 2_000;

export function createLateQuestions(ports: LateQuestionsPorts): LateQuestions {
  const { library, store, append, clock, random, log, onSettled } = ports;
  let checking: Promise<void> | undefined;
  let again = false;

  const readPassages = async (refs: readonly PassageRef[]): Promise<Result<readonly Passage[]>> => {
    const passages: Passage[] = [];
    for (const { collection, id } of refs) {
      const thread = await library.collections.open(collection);
      if (!thread.ok) return thread;
      const read = await thread.value.passages([id]);
      if (!read.ok) return read;
      passages.push(...read.value);
    }
    return ok(passages);
  };

  const judge = async (
    { passages }: QuestionRecord,
    { text, quotes }: Extract<Said['outcome'], { kind: 'said' }>,
  ): Promise<Result<CheckedSaid>> => {
    if (quotes !== undefined) return checkQuotes(library, text, quotes);
    const read = await readPassages(passages);
    return read.ok ? checkSentences(library, text, read.value) : read;
  };

  const settle = async (record: QuestionRecord, outcome: Said['outcome']): Promise<void> => {
    const { requestId } = record;
    if (outcome.kind === 'failed') {
      const { code, message } = outcome;
      return store.settle(requestId, { failed: { code, message } });
    }
    const said = await judge(record, outcome);
    // A collection that cannot be read bears nothing out: what was said is given all the same, and marked.
    const nothing = { text: outcome.text, citations: [], unverified: [outcome.text] };
    const checked = said.ok ? said.value : nothing;
    store.settle(requestId, { said: { ...checked, model: outcome.model } });
  };

  /** Until nothing is left: what comes meanwhile is looked at too. */
  const checkAll = async (): Promise<void> => {
    for (;;) {
      const waiting = store.unchecked();
      if (waiting.length === 0) return;
      for (const { record, outcome } of waiting) {
        await settle(record, outcome);
        onSettled(1);
      }
    }
  };

  return {
    ask({ question, model, answerModel, confidence, found }) {
      const requestId = createId(clock.nowMs(), random);
      const count = library.embedder?.countTokens;
      const short = question.slice(0, promptCharactersMax);
      const { messages, passages } = promptFor(short, found, promptTokensMax, count);
      const appended = append(
        { kind: 'question', requestId, model: answerModel, messages: [...messages] },
        () =>
          store.open({
            requestId,
            model,
            question: short,
            appendedMs: clock.nowMs(),
            confidence,
            passages: passages.map(({ collection, id }) => ({ collection, id })),
          }),
      );
      return appended.ok ? ok(requestId) : appended;
    },
    record: (said) => void store.keep(said),
    check() {
      again = true;
      checking ??= (async () => {
        while (again) {
          again = false;
          await checkAll();
        }
      })()
        .catch((thrown: unknown) =>
          log.error({ reason: String(thrown) }, 'what was said was not checked'),
        )
        .finally(() => {
          checking = undefined;
        });
      return checking;
    },
  };
}
