// Questions that nobody could answer at once: made durable with what was found, asked when there is a link, and checked
// against the library when something is said.

import {
  type Clock,
  createId,
  type Log,
  messageOf,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import type { Question, Said } from '@skerry/sync-protocol';
import type { AnswerCache } from './cache/answer-cache.ts';
import { type CheckedSaid, checkQuotes, checkSentences, knowing } from './check-sentences.ts';
import type { FoundPassage, Library } from './library.ts';
import type { Passage } from './passage.ts';
import { askedCharactersMax, promptFor } from './prompt.ts';
import type { PassageRef, QuestionRecord, QuestionStore, Remembering } from './question-store.ts';

export interface LateQuestionsPorts {
  readonly library: Library;
  readonly store: QuestionStore;
  /** Makes it durable together with `effect`, and sets it going. */
  readonly append: (body: Question, effect: () => void) => Result<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Who remembers answers. */
  readonly cache?: Pick<AnswerCache, 'keepLate'> | undefined;
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
  readonly remembering?: Remembering | undefined;
}

export interface LateQuestions {
  /** Its id, by which the answer will come. Fails as the outbox does. */
  ask(question: LateQuestion): Result<string>;
  /** Inside the transaction that applies it. */
  record(said: Said): void;
  /** After that transaction, and at a start: checks what was said, and gives it out. */
  check(): Promise<void>;
}

export function createLateQuestions(ports: LateQuestionsPorts): LateQuestions {
  const { library, store, append, clock, random, log, onSettled } = ports;
  let checking: Promise<void> | undefined;

  /** By their numbers: one that has gone, or is not what was asked about any more, leaves its place empty. */
  const readPassages = async (
    refs: readonly PassageRef[],
  ): Promise<Result<readonly (Passage | undefined)[]>> => {
    const passages: (Passage | undefined)[] = [];
    for (const { collection, id, digest, version } of refs) {
      const thread = await library.collections.open(collection);
      if (!thread.ok) return thread;
      const read = await thread.value.passages([id], { principals: [] });
      if (!read.ok) return read;
      const [now] = read.value;
      passages.push(now?.digest === digest && now.version === version ? now : undefined);
    }
    return ok(passages);
  };

  const judge = async (
    { passages }: QuestionRecord,
    { text, quotes }: Extract<Said['outcome'], { kind: 'said' }>,
  ): Promise<Result<CheckedSaid>> => {
    if (quotes !== undefined) return knowing(await checkQuotes(library, text, quotes));
    const read = await readPassages(passages);
    return read.ok ? knowing(await checkSentences(library, text, read.value)) : read;
  };

  /** Who asks the same next need not wait for it. [CAC13] */
  const remember = async (
    { question, confidence, remembering }: QuestionRecord,
    said: CheckedSaid,
  ): Promise<void> => {
    if (remembering === undefined) return;
    const { key, collections, summary, answerModel } = remembering;
    // In OpenAI's API nobody says who asks: for everybody.
    const asked = { question, collections, reader: { principals: [] }, answerModel };
    await ports.cache?.keepLate(key, asked, { said, summary, source: 'cloud', confidence });
  };

  const settle = async (record: QuestionRecord, outcome: Said['outcome']): Promise<void> => {
    const { requestId } = record;
    if (outcome.kind === 'failed') {
      const { code, message } = outcome;
      return store.settle(requestId, { failed: { code, message } });
    }
    const said = await judge(record, outcome);
    if (said.ok) {
      store.settle(requestId, { said: { ...said.value, model: outcome.model } });
      return remember(record, said.value);
    }
    // What nothing bears out is no answer [LIB18], also where the collection cannot be read.
    const { code, message } = said.error;
    store.settle(requestId, { failed: { code, message } });
  };

  /** Until nothing is left: what comes meanwhile is looked at too. */
  const checkAll = async (): Promise<void> => {
    try {
      for (let waiting = store.unchecked(); waiting.length > 0; waiting = store.unchecked())
        for (const { record, outcome } of waiting) {
          await settle(record, outcome);
          onSettled(1);
        }
    } catch (thrown) {
      log.error({ reason: messageOf(thrown) }, 'what was said was not checked');
    }
    // Not in a turn of its own: whoever asks from here on begins anew.
    checking = undefined;
  };

  return {
    ask({ question, model, answerModel, confidence, found, remembering }) {
      const requestId = createId(clock.nowMs(), random);
      const count = library.embedder?.countTokens;
      const short = question.slice(0, askedCharactersMax);
      const { messages, passages } = promptFor(short, found, count);
      const appended = append(
        { kind: 'question', requestId, model: answerModel, messages: [...messages] },
        () =>
          store.open({
            requestId,
            model,
            question: short,
            appendedMs: clock.nowMs(),
            confidence,
            passages: passages.map(({ collection, id, digest, version }) => ({
              collection,
              id,
              digest,
              version,
            })),
            // One that was cut is another question.
            ...(remembering &&
              short === question && {
                remembering: { ...passedOn(remembering, passages), answerModel },
              }),
          }),
      );
      return appended.ok ? ok(requestId) : appended;
    },
    record: (said) => void store.keep(said),
    check() {
      checking ??= Promise.resolve().then(checkAll);
      return checking;
    },
  };
}

/** Of what was found, what whoever answers is given: on nothing else can it rest. */
const passedOn = (
  { summary, ...rest }: Remembering,
  passages: readonly Passage[],
): Remembering => ({
  ...rest,
  summary: {
    ...summary,
    passages: summary.passages.filter((each) =>
      passages.some(({ collection, uri }) => collection === each.collection && uri === each.uri),
    ),
  },
});
