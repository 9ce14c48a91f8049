// Questions whose answers are known, over a library with a real embedder: how well it finds, and how fast it takes in.

import {
  createDirectCollections,
  createLibrary,
  type Library,
  rerankByEmbedder,
} from '@skerry/edge-agent/retrieve';
import { openEmbedder } from '@skerry/models/embedding';
import { readEmbedder } from '@skerry/models/node';
import { createOnnxDirectRuntime } from '@skerry/models/runtime';
import { silentLog } from '@skerry/shared';
import { sha256, systemClock } from '@skerry/shared/node';
import { ndcgAt, readCranfield } from '../cranfield.ts';
import { nearestIntent, readIntents, rowsOf } from '../intents.ts';

export interface RetrievalOptions {
  /** Folder of the device's embedder. */
  readonly embedder: string;
  /** Of the one that ranks again what was found; absent: none does. */
  readonly reranker?: string | undefined;
  /** How documents are cut: `recursive` where nothing is said. */
  readonly chunking?: 'recursive' | 'semantic';
}

export interface RetrievalFigures {
  /** nDCG@10. */
  readonly words: number;
  readonly vectors: number;
  readonly hybrid: number;
  readonly reranked?: number;
  readonly passages: number;
  readonly passagesPerSecond: number;
  /** Passages embedded when all is taken in a second time. */
  readonly embeddedAgain: number;
}

const collection = 'cranfield';
const found = 100;

export async function retrieval(options: RetrievalOptions): Promise<RetrievalFigures> {
  const cranfield = await readCranfield();
  if (cranfield === undefined) throw new Error('no Cranfield');
  const embedder = await open(options.embedder);
  const collections = createDirectCollections({ folder: ':memory:', embedder });
  const ports = {
    ...{ collections, embedder, chunking: options.chunking },
    ...{ digestOf: sha256, clock: systemClock, log: silentLog },
  };
  const library = createLibrary(ports);
  const takeIn = async (): Promise<{ passages: number; embedded: number }> => {
    let passages = 0;
    let embedded = 0;
    for (const { id, title, text } of cranfield.documents) {
      const whole = `${title}\n\n${text}`;
      const digest = sha256(new TextEncoder().encode(whole));
      const taken = await library.add(collection, {
        uri: id,
        title,
        text: whole,
        digest,
        trust: 1,
      });
      if (!taken.ok) throw new Error(taken.error.message);
      passages += taken.value.passages;
      embedded += taken.value.embedded;
    }
    return { passages, embedded };
  };
  const startedMs = performance.now();
  const { passages } = await takeIn();
  const passagesPerSecond = (passages / (performance.now() - startedMs)) * 1_000;
  const { embedded: embeddedAgain } = await takeIn();
  const mean = async (rank: (question: string) => Promise<readonly string[]>): Promise<number> => {
    let sum = 0;
    for (const { text, relevant } of cranfield.questions)
      sum += ndcgAt([...new Set(await rank(text))], relevant, 10);
    return sum / cranfield.questions.length;
  };
  const by = (mode: 'words' | 'vectors' | 'hybrid') => mean((text) => search(library, text, mode));
  // Of a bench nobody waits for the answer.
  const again = (larger: Awaited<ReturnType<typeof open>>) =>
    createLibrary({ ...ports, reranker: rerankByEmbedder(larger), rerankMs: 600_000 });
  const second = options.reranker === undefined ? undefined : await open(options.reranker);
  return {
    words: await by('words'),
    vectors: await by('vectors'),
    hybrid: await by('hybrid'),
    ...(second && {
      reranked: await mean((text) => search(again(second), text, 'hybrid')),
    }),
    passages,
    passagesPerSecond,
    embeddedAgain,
  };
}

async function open(folder: string) {
  const files = await readEmbedder(folder);
  const opened = files.ok
    ? await openEmbedder(files.value, createOnnxDirectRuntime(), { threads: 1 })
    : files;
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

async function passagesFor(library: Library, text: string, mode: 'words' | 'vectors' | 'hybrid') {
  const reader = { principals: [] };
  const outcome = await library.search({
    collections: [collection],
    text,
    count: found,
    reader,
    mode,
  });
  if (!outcome.ok) throw new Error(outcome.error.message);
  return outcome.value.found.map(({ passage }) => passage);
}

const search = async (
  library: Library,
  text: string,
  mode: 'words' | 'vectors' | 'hybrid',
): Promise<readonly string[]> => (await passagesFor(library, text, mode)).map(({ uri }) => uri);

export interface IntentOptions {
  readonly embedder: string;
  /** Sentences of each intent that are known. */
  readonly shots: number;
}

export interface IntentFigures {
  readonly accuracy: number;
  /** Of telling sentences of no intent by their best cosine. */
  readonly outOfScopeAuroc: number;
}

/** CLINC150: an intent is the nearest mean of a few of its sentences. */
export async function intents({ embedder: folder, shots }: IntentOptions): Promise<IntentFigures> {
  const embedder = await open(folder);
  const { some, test, outOfScope } = await readIntents();
  const embed = async (texts: readonly string[]) => {
    const embedded = await embedder.embed(texts);
    if (!embedded.ok) throw new Error(embedded.error.message);
    return rowsOf(embedded.value, embedder.dimensions);
  };
  const train = some('train', 0, shots);
  const vectors = await embed(train.map(([text]) => text));
  const known = train.map(([, intent], i) => ({ intent, vector: vectors[i] as Float32Array }));
  const nearest = nearestIntent(known);
  const inScope = (await embed(test.map(([text]) => text))).map(nearest);
  const outside = (await embed(outOfScope)).map(nearest);
  const right = inScope.filter(({ intent }, i) => intent === test[i]?.[1]).length;
  return {
    accuracy: right / test.length,
    outOfScopeAuroc: auroc(
      inScope.map(({ cosine }) => cosine),
      outside.map(({ cosine }) => cosine),
    ),
  };
}

/** That one of the first is above one of the second (Mann–Whitney). */
function auroc(first: readonly number[], second: readonly number[]): number {
  let above = 0;
  for (const a of first) for (const b of second) above += a > b ? 1 : a === b ? 0.5 : 0;
  return above / (first.length * second.length);
}
