// What names a question among those that were asked before: its words, and every term that could make its answer another.

import { ok, type Result } from '@skerry/shared';
import type { Library } from '../library.ts';
import type { Reader } from '../passage.ts';
import type { CollectionState } from './answer-store.ts';
import { normaliseQuestion } from './normalise-question.ts';
import type { Changes } from './purging-collections.ts';
import { formWordsMin, questionForm, questionFormVersion } from './question-form.ts';

export interface AskedOf {
  readonly question: string;
  readonly collections: readonly string[];
  readonly reader: Reader;
  /** Who is asked where the library is not sure. */
  readonly answerModel: string | undefined;
}

export interface Described extends AskedOf {
  /** Of all but the question. */
  readonly scope: string;
  readonly key: string;
  readonly form: string;
  /** Of the question as it is normalised. */
  readonly asked: string;
  readonly searched: readonly CollectionState[];
  /** Of the changes of its collections, before it was begun. */
  readonly seen: number;
}

/** Of anything that JSON can say. */
export type Digest = (...parts: readonly unknown[]) => string;

export function createDigest(digestOf: (bytes: Uint8Array) => string): Digest {
  const encoder = new TextEncoder();
  return (...parts) => digestOf(encoder.encode(JSON.stringify(parts)));
}

/** Changes with how an answer is made. */
const answeringVersion = 1;

export const askedDigest = (digest: Digest, question: string): string =>
  digest(normaliseQuestion(question));
export function formDigest(digest: Digest, question: string): string {
  const form = questionForm(question);
  return form.length < formWordsMin
    ? digest('short', normaliseQuestion(question))
    : digest(questionFormVersion, form);
}
/** What was pushed for a collection is the same in each state of it, and for whoever may read what it cites. */
export const pushedScope = (digest: Digest, collection: string): string =>
  digest('pushed', collection);
export const keyIn = (digest: Digest, scope: string, question: string): string =>
  digest(scope, normaliseQuestion(question));

/** [CAC1] Fails where a collection cannot be read. */
export async function describeQuestion(
  asked: AskedOf,
  library: Library,
  changes: Pick<Changes, 'seen'>,
  digest: Digest,
): Promise<Result<Described>> {
  const { question, reader, answerModel } = asked;
  const collections = [...new Set(asked.collections)].sort();
  const seen = changes.seen(collections);
  const searched: CollectionState[] = [];
  for (const collection of collections) {
    const thread = await library.collections.open(collection);
    const revision = thread.ok ? await thread.value.revision() : thread;
    if (!revision.ok) return revision;
    searched.push({ collection, revision: revision.value });
  }
  const { embedder } = library;
  const by = [
    ...[answeringVersion, embedder?.digest ?? null, embedder?.answers ?? null, answerModel],
    library.ranking,
    // Where vectors do not help, another ranking.
    ...collections.map((name) => library.verdictOn(name)?.isOn ?? true),
  ];
  const principals = [...new Set(reader.principals)].sort();
  const scope = digest('asked', by, searched, principals);
  return ok({
    ...asked,
    collections,
    scope,
    key: keyIn(digest, scope, question),
    form: formDigest(digest, question),
    asked: askedDigest(digest, question),
    searched,
    seen,
  });
}
