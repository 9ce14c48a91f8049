// What a question to the library costs with and without its caches, and how often a question that asks something else
// would be served by another's answer.

import {
  askLibrary,
  createDirectCollections,
  createLibrary,
  formWordsMin,
  openCachedLibrary,
  questionForm,
  summaryOf,
} from '@skerry/edge-agent/retrieve';
import { clopperPearson } from '@skerry/models';
import { openEmbedder } from '@skerry/models/embedding';
import { readEmbedder } from '@skerry/models/node';
import { createOnnxDirectRuntime } from '@skerry/models/runtime';
import { createRandom, silentLog } from '@skerry/shared';
import { sha256, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { readCranfield } from '../cranfield.ts';
import { dot, readIntents, rowsOf } from '../intents.ts';
import { editsOf } from '../question-edits.ts';
import { median } from '../statistics.ts';

export interface CacheCostOptions {
  readonly embedder: string;
  /** Where the answers' file lies. */
  readonly file: string;
  readonly documents: number;
  readonly questions: number;
}

/** Medians, in milliseconds. */
export interface CacheCosts {
  readonly passages: number;
  readonly plain: number;
  readonly first: number;
  /** Of the sentences of questions that are asked for the first time, those that had been found before. */
  readonly sentencesRemembered: number;
  readonly vectorsRemembered: number;
  readonly exact: number;
  readonly semantic: number;
  /** Of the questions in other words. */
  readonly semanticHits: number;
}

const collection = 'cranfield';
const reader = { principals: [] };

export async function cacheCosts(options: CacheCostOptions): Promise<CacheCosts> {
  const cranfield = await readCranfield();
  if (cranfield === undefined) throw new Error('no Cranfield');
  const embedder = await open(options.embedder);
  const ports = { clock: systemClock, random: createRandom(1), log: silentLog };
  const stored = createDirectCollections({ folder: ':memory:', embedder });
  const semantic = { similarityMin: 0.9, judgedShare: 0.01, wrongShareMax: 0.01 };
  const bounds = { path: options.file, entriesMax: 1_000, bytesMax: 2 ** 24, vectorsMax: 4_096 };
  const terms = { ...bounds, ttlMs: 3_600_000, semantic, questionTexts: false };
  const cached = unwrap(
    await openCachedLibrary(terms, { ...ports, collections: stored, embedder: () => embedder }),
  );
  const { library, caches } = cached;
  const plain = createLibrary({ ...ports, collections: stored, embedder, digestOf: sha256 });
  let passages = 0;
  for (const { id, title, text } of cranfield.documents.slice(0, options.documents)) {
    const digest = sha256(new TextEncoder().encode(text));
    const taken = await library.add(collection, { uri: id, title, text, digest, trust: 1 });
    passages += unwrap(taken).passages;
  }
  const times: Record<'plain' | 'first' | 'vectors' | 'exact' | 'semantic', number[]> = {
    plain: [],
    first: [],
    vectors: [],
    exact: [],
    semantic: [],
  };
  const timed = async <T>(name: keyof typeof times, action: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now();
    const result = await action();
    times[name].push(performance.now() - startedMs);
    return result;
  };
  const askOf = (question: string) => ({ question, collections: [collection], reader });
  const look = (question: string) =>
    caches.answers.look({ ...askOf(question), answerModel: undefined });
  let remembered = 0;
  let sentences = 0;
  for (const { text } of cranfield.questions.slice(0, options.questions)) {
    await timed('plain', async () => unwrap(await askLibrary(plain, askOf(text))));
    const before = caches.vectors.figures();
    await timed('first', async () => {
      const looked = await look(text);
      const {
        citations,
        text: said = '',
        ...rest
      } = unwrap(await askLibrary(library, askOf(text)));
      const summary = summaryOf({ ...rest, citations });
      const answer = {
        said: { text: said, citations, unverified: [] },
        summary,
        source: 'library',
      };
      await looked.computed(answer, false);
    });
    const after = caches.vectors.figures();
    // Twice the question's own, once to search and once to keep it.
    remembered += after.hits - before.hits - 1;
    sentences += after.hits - before.hits + after.misses - before.misses - 2;
    await timed('vectors', async () => unwrap(await askLibrary(library, askOf(text))));
    const exact = await timed('exact', () => look(text));
    if (exact.recall?.recalled.cache !== 'exact') throw new Error('no exact hit');
    const words = editsOf(text).same[0] as string;
    const alike = await timed('semantic', () => look(words));
    if (alike.recall?.recalled.cache !== 'semantic') times.semantic.pop();
  }
  cached.close();
  return {
    passages,
    plain: median(times.plain),
    first: median(times.first),
    sentencesRemembered: remembered / sentences,
    vectorsRemembered: median(times.vectors),
    exact: median(times.exact),
    semantic: median(times.semantic),
    semanticHits: times.semantic.length / options.questions,
  };
}

export interface LookAlikeOptions {
  readonly embedder: string;
  /** Sentences of each intent. */
  readonly each: number;
  readonly similarities: readonly number[];
}

export interface LookAlikes {
  readonly name: string;
  readonly pairs: number;
  /** By the similarities, in their order: pairs that near, and of them those with the same words of meaning. */
  readonly near: readonly number[];
  readonly served: readonly number[];
  /** Of the share that is served at the first of them: exact bounds, each missed with a chance of 2.5 %. */
  readonly lower: number;
  readonly upper: number;
}

/** CLINC150: sentences of other intents, and edits by rule, that must not be served; and such as may. */
export async function lookAlikes(options: LookAlikeOptions): Promise<readonly LookAlikes[]> {
  const embedder = await open(options.embedder);
  const { some } = await readIntents();
  const sentences = some('test', 0, options.each);
  const vectorsOf = async (texts: readonly string[]) =>
    rowsOf(unwrap(await embedder.embed(texts)), embedder.dimensions);
  const texts = sentences.map(([text]) => text);
  const vectors = await vectorsOf(texts);
  const forms = texts.map((text) => formOf(text));
  const { similarities } = options;
  const counted = (name: string) => {
    const near = similarities.map(() => 0);
    const served = similarities.map(() => 0);
    let pairs = 0;
    return {
      add(cosine: number, isSameForm: boolean) {
        pairs += 1;
        for (const [i, min] of similarities.entries()) {
          if (cosine < min) break;
          near[i] = (near[i] as number) + 1;
          if (isSameForm) served[i] = (served[i] as number) + 1;
        }
      },
      done: (): LookAlikes => {
        const { lower, upper } = clopperPearson(served[0] ?? 0, pairs, 0.025);
        return { name, pairs, near, served, lower, upper };
      },
    };
  };
  const others = counted('sentences of two intents');
  const same = counted('sentences of one intent');
  for (const [i, [, intent]] of sentences.entries())
    for (let j = 0; j < i; j++) {
      const cosine = dot(vectors[i] as Float32Array, vectors[j] as Float32Array);
      (sentences[j]?.[1] === intent ? same : others).add(cosine, forms[i] === forms[j]);
    }
  const edited = async (name: string, of: (text: string) => readonly (string | undefined)[]) => {
    const count = counted(name);
    for (const [i, text] of texts.entries()) {
      const edits = of(text).filter((edit) => edit !== undefined);
      const embedded = await vectorsOf(edits);
      for (const [e, edit] of edits.entries()) {
        const cosine = dot(vectors[i] as Float32Array, embedded[e] as Float32Array);
        count.add(cosine, forms[i] === formOf(edit));
      }
    }
    return count.done();
  };
  return [
    others.done(),
    await edited('another number', (text) => [editsOf(text).number]),
    await edited('not', (text) => [editsOf(text).negation]),
    await edited('two words change places', (text) => [editsOf(text).roles]),
    same.done(),
    await edited('please, thanks, can you tell me', (text) => editsOf(text).same),
  ];
}

/** A question of too few words has no look-alike. */
function formOf(text: string): string {
  const form = questionForm(text);
  return form.length < formWordsMin ? `= ${text}` : form.join(' ');
}

async function open(folder: string) {
  const files = unwrap(await readEmbedder(folder));
  return unwrap(await openEmbedder(files, createOnnxDirectRuntime(), { threads: 1 }));
}
