// The legs of a search, over several collections: what each ranks, both as one ranking, and the passages that they name.

import { ok, type Result } from '@skerry/shared';
import type { SnapshotName } from '@skerry/sync-protocol/collections';
import type { CollectionFilter } from './collection-file.ts';
import type { Collections, CollectionThread, LegsRequest } from './collections.ts';
import { expandWords, feedbackPassages } from './expand-words.ts';
import { fuseRanks, type Leg, type Ranked } from './fuse-ranks.ts';
import type { FoundPassage } from './library.ts';
import type { Passage } from './passage.ts';

/** Of each leg, before they are one. */
export const legCount = 100;
/** For others than the source that fills a ranking: so many times what is wanted. */
const looksMax = 5;

/** Where a passage is, among all that were found. */
interface Place {
  readonly thread: CollectionThread;
  readonly passage: number;
}

export interface GatheredLegs {
  /** Its index is what the legs rank. */
  readonly places: readonly Place[];
  readonly words: readonly Ranked[];
  readonly vectors: readonly Ranked[];
  readonly snapshots: readonly string[];
  readonly published: readonly SnapshotName[];
  readonly engine: string | undefined;
}

/** Each leg over all collections: a rank in one says nothing of a rank in another, a score does. */
export async function gatherLegs(
  { open }: Collections,
  names: readonly string[],
  requestOf: (name: string) => LegsRequest,
): Promise<Result<GatheredLegs>> {
  const places: Place[] = [];
  const words: Ranked[] = [];
  const vectors: Ranked[] = [];
  const snapshots: string[] = [];
  const published: SnapshotName[] = [];
  let engine: string | undefined;
  for (const name of new Set(names)) {
    const thread = await open(name);
    if (!thread.ok) return thread;
    const legs = await thread.value.search(requestOf(name));
    if (!legs.ok) return legs;
    const placeOf = new Map<number, number>();
    const place = ({ id, score }: Ranked): Ranked => {
      const known = placeOf.get(id);
      if (known !== undefined) return { id: known, score };
      placeOf.set(id, places.length);
      return { id: places.push({ thread: thread.value, passage: id }) - 1, score };
    };
    words.push(...legs.value.words.map(place));
    vectors.push(...legs.value.vectors.map(place));
    snapshots.push(`${name}@${legs.value.revision}`);
    published.push(...(legs.value.snapshot === undefined ? [] : [legs.value.snapshot]));
    engine = thread.value.engine ?? engine;
  }
  return ok({ places, words: best(words), vectors: best(vectors), snapshots, published, engine });
}

const best = (ranked: readonly Ranked[]): readonly Ranked[] =>
  ranked.toSorted((a, b) => b.score - a.score || a.id - b.id).slice(0, legCount);

/** Both legs as one ranking, weighed by trust. Passages are read until what is left could not be among the best. */
export async function rankPassages(
  { places, words, vectors }: GatheredLegs,
  count: number,
  filter: CollectionFilter,
  sourceShareMax: number,
): Promise<Result<readonly FoundPassage[]>> {
  const legs: Leg[] = [
    { ranked: words, weight: 1 },
    { ranked: vectors, weight: 1 },
  ];
  const fused = fuseRanks(legs, 2 * legCount);
  const similarities = new Map(vectors.map(({ id, score }) => [id, score]));
  let found: FoundPassage[] = [];
  for (let at = 0; at < fused.length; at += count) {
    // Trust is 1 at most.
    const isBehind = (best: readonly FoundPassage[]): boolean =>
      (best[count - 1]?.score ?? 0) >= (fused[at] as Ranked).score;
    if (isBehind(withinShares(found, count, sourceShareMax))) break;
    if (at >= looksMax * count && isBehind(found)) break;
    const batch = fused.slice(at, at + count);
    const read = await readPlaces(places, batch, filter);
    if (!read.ok) return read;
    const weighed = batch.flatMap(({ id, score }) => {
      const passage = read.value.get(id);
      if (passage === undefined) return [];
      const similarity = similarities.get(id);
      const weight = score * passage.trust;
      return [{ passage, score: weight, ...(similarity === undefined ? {} : { similarity }) }];
    });
    // Of equals those that came first stay first.
    found = [...found, ...weighed].toSorted((a, b) => b.score - a.score);
  }
  return ok(boundShares(found, count, sourceShareMax));
}

/** In their order. What those who are within their share leave is whosever it is. */
export function boundShares(
  found: readonly FoundPassage[],
  count: number,
  shareMax: number,
): readonly FoundPassage[] {
  const within = withinShares(found, count, shareMax);
  const beyond = found.filter((each) => !within.includes(each)).slice(0, count - within.length);
  return found.filter((each) => within.includes(each) || beyond.includes(each));
}

/** The best so many of which no source has more than its share; of what names none there is no bound. [LIB50] */
function withinShares(
  found: readonly FoundPassage[],
  count: number,
  shareMax: number,
): readonly FoundPassage[] {
  const each = Math.ceil(count * shareMax);
  const taken = new Map<string, number>();
  const isWithin = ({ passage: { source } }: FoundPassage): boolean => {
    if (source === undefined) return true;
    const before = taken.get(source) ?? 0;
    taken.set(source, before + 1);
    return before < each;
  };
  return found.filter(isWithin).slice(0, count);
}

async function readPlaces(
  places: readonly Place[],
  ranked: readonly Ranked[],
  filter: CollectionFilter,
): Promise<Result<ReadonlyMap<number, Passage>>> {
  const found = new Map<number, Passage>();
  const wanted = ranked.map(({ id }) => ({ id, ...(places[id] as Place) }));
  for (const thread of new Set(wanted.map((each) => each.thread))) {
    const there = wanted.filter((each) => each.thread === thread);
    const ids = new Map(there.map(({ id, passage }) => [passage, id]));
    const read = await thread.passages([...ids.keys()], filter);
    if (!read.ok) return read;
    for (const passage of read.value) found.set(ids.get(passage.id) as number, passage);
  }
  return ok(found);
}

/** A question's words with those of what they find best, of what the reader may read. */
export async function wordsOfBest(
  collections: Collections,
  names: readonly string[],
  words: readonly string[],
  filter: CollectionFilter,
): Promise<Result<readonly string[]>> {
  const asked = { words, vector: undefined, count: feedbackPassages, filter };
  const legs = await gatherLegs(collections, names, () => asked);
  if (!legs.ok) return legs;
  const best = legs.value.words.slice(0, feedbackPassages);
  const read = await readPlaces(legs.value.places, best, filter);
  if (!read.ok) return read;
  const feedback = best.flatMap(({ id, score }) => {
    const passage = read.value.get(id);
    return passage === undefined || score <= 0 ? [] : [{ text: passage.text, score }];
  });
  return ok(expandWords(words, feedback));
}
