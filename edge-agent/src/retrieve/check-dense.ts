// Whether vectors help a collection's search, told when the device starts: questions whose document is known are searched
// by words alone and by both. Where both are worse, beyond chance, the vectors' leg is off, and it is said why.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { CollectionFile } from './collection-file.ts';
import type { Collections } from './collections.ts';
import type { Library } from './library.ts';
import { contentWordsOf } from './match-query.ts';
import { atomsOf } from './split-text.ts';

/** The document that answers it. */
export interface LabelledQuestion {
  readonly question: string;
  readonly uri: string;
}

/** Of a collection: those that came with it, else documents to make some of. */
export interface QuestionSource {
  readonly given?: readonly LabelledQuestion[];
  readonly documents: ReturnType<CollectionFile['sampleDocuments']>;
}

export interface DenseVerdict {
  readonly isOn: boolean;
  readonly reason: string;
}

export const checkedQuestionsMax = 32;
const questionsMin = 8;
/** Of one collection. */
const checkMsMax = 5_000;
/** Where a document is looked for. */
const placesMax = 10;
/** A difference of so many standard errors is no chance: one in forty. */
const errorsMin = 2;

/** @param words reciprocal ranks of each question's document, by words alone @param both by words and vectors */
export function judgeDense(words: readonly number[], both: readonly number[]): DenseVerdict {
  const count = words.length;
  if (count < questionsMin) return { isOn: true, reason: `${count} questions tell nothing` };
  const differences = both.map((rank, i) => rank - (words[i] as number));
  const mean = meanOf(differences);
  const variance = meanOf(differences.map((each) => (each - mean) ** 2));
  const error = Math.sqrt(variance / (count - 1));
  const figures = `of ${count} questions words alone rank ${meanOf(words).toFixed(2)}, with vectors ${meanOf(both).toFixed(2)}`;
  return { isOn: mean + errorsMin * error >= 0, reason: figures };
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** A document's title, else its first sentence, must find it. */
export function makeQuestions(documents: QuestionSource['documents']): readonly LabelledQuestion[] {
  return documents.flatMap(({ uri, title, text }) => {
    const sentence = atomsOf(text).find(({ level }) => level === undefined);
    const first = sentence === undefined ? '' : text.slice(sentence.start, sentence.end);
    const isTitled = title !== uri && contentWordsOf(title).length > 1;
    const question = (isTitled ? title : first).slice(0, 200).trim();
    return contentWordsOf(question).length === 0 ? [] : [{ question, uri }];
  });
}

/** One that has no verdict yet asks for both legs. */
export async function checkDense(
  library: Pick<Library, 'search'>,
  collection: string,
  questions: readonly LabelledQuestion[],
  { clock, leftMs = checkMsMax }: { readonly clock: Clock; readonly leftMs?: number },
): Promise<Result<DenseVerdict>> {
  const untilMs = clock.monotonicMs() + leftMs;
  const ranks = { words: [] as number[], hybrid: [] as number[] };
  for (const { question, uri } of questions.slice(0, checkedQuestionsMax)) {
    if (clock.monotonicMs() >= untilMs) break;
    for (const mode of ['words', 'hybrid'] as const) {
      const asked = { collections: [collection], text: question, count: placesMax, mode };
      const outcome = await library.search({ ...asked, reader: { principals: [] } });
      if (!outcome.ok) return outcome;
      if (outcome.value.mode !== mode)
        return ok({ isOn: true, reason: 'there is no embedder to check' });
      const place = outcome.value.found.findIndex(({ passage }) => passage.uri === uri);
      ranks[mode].push(place === -1 ? 0 : 1 / (place + 1));
    }
  }
  return ok(judgeDense(ranks.words, ranks.hybrid));
}

export interface DenseChecks {
  verdictOn(collection: string): DenseVerdict | undefined;
  /** It is gone: what is made under its name again is another. */
  forget(collection: string): void;
  /** Once all collections that were there at the start are checked. */
  readonly done: Promise<void>;
  close(): Promise<void>;
}

/** One collection after the other. @param library without verdicts */
export function startDenseChecks(
  library: Pick<Library, 'search'>,
  collections: Collections,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): DenseChecks {
  const verdicts = new Map<string, DenseVerdict>();
  let isClosed = false;
  /** How often one has gone. */
  let gone = 0;
  const check = async (name: string): Promise<void> => {
    const before = gone;
    const thread = await collections.open(name);
    const source = thread.ok ? await thread.value.questions(checkedQuestionsMax) : thread;
    if (!source.ok)
      return log.warn({ code: source.error.code }, `not checked: ${source.error.message}`);
    const questions = source.value.given ?? makeQuestions(source.value.documents);
    const verdict = await checkDense(library, name, questions, { clock });
    if (!verdict.ok) return log.warn({ code: verdict.error.code }, 'the vectors were not checked');
    // Perhaps of what has gone meanwhile.
    if (gone !== before) return;
    verdicts.set(name, verdict.value);
    const { isOn, reason } = verdict.value;
    if (!isOn) log.warn({ collection: name }, `searched by words alone: ${reason}`);
  };
  const run = async (): Promise<void> => {
    const names = await collections.list();
    for (const name of names.ok ? names.value : []) if (!isClosed) await check(name);
  };
  const done = run();
  return {
    verdictOn: (collection) => verdicts.get(collection),
    forget(collection) {
      gone += 1;
      verdicts.delete(collection);
    },
    done,
    async close() {
      isClosed = true;
      await done;
    },
  };
}

/** Collections whose verdicts go with them. @param checks undefined before there are any */
export const forgettingVerdicts = (
  collections: Collections,
  checks: () => Pick<DenseChecks, 'forget'> | undefined,
): Collections => ({
  ...collections,
  async remove(name) {
    const removed = await collections.remove(name);
    checks()?.forget(name);
    return removed;
  },
});
