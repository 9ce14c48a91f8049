// What comes in against what is there: a burst of look-alikes from one source is refused, and a document that is like
// nothing in its collection is marked, or refused. Poisoned documents come in numbers, or from elsewhere
// (PoisonedRAG, USENIX Security 2025). [LIB48] [LIB49]

import { err, failure, ok, type Result } from '@skerry/shared';
import type { DocumentRecord, IntakeChecks, PreparedPassage } from './collection-file.ts';
import type { CollectionThread } from './collections.ts';
import type { SourceDocument } from './passage.ts';
import { likenessOf, sketchOf } from './text-sketch.ts';

export interface IntakeLimits {
  /** Documents of one source within `lookAlikesMs` that are nearly the same; 0: no bound. */
  readonly lookAlikesMax: number;
  readonly lookAlikesMs: number;
  /** In robust deviations: from there on a document is strange here. */
  readonly anomalyMax: number;
  readonly anomaly: 'off' | 'mark' | 'refuse';
}

export const intakeLimits: IntakeLimits = {
  lookAlikesMax: 20,
  lookAlikesMs: 3_600_000,
  anomalyMax: 6,
  anomaly: 'mark',
};

/** Nearly the same: of their shingles both have so many. */
const likenessMin = 0.8;
/** Of one source, the newest. */
const comparedMax = 500;
/** Of a document, spread over it. */
const passagesLooked = 4;
/** Of its own earlier version, those that may be nearer than all others. */
const ownPassagesMax = 63;
/** Fewer say nothing of what is usual. */
const scoresMin = 20;
const scoresMax = 1_000;

/** Of whom it came: what a source calls itself. */
export const sourceOf = ({ meta }: Pick<SourceDocument, 'meta'>): string => meta?.['source'] ?? '';

/**
 * Fails with `invalid_argument` where it is refused.
 * @param before the version that it takes the place of. The same bytes are not judged again: else a source whose readers
 * are narrowed would be refused for what it has brought already, and stay readable as it was.
 */
export async function checkIntake(
  thread: CollectionThread,
  source: SourceDocument,
  passages: readonly PreparedPassage[],
  before: DocumentRecord | undefined,
  limits: IntakeLimits,
  nowMs: number,
): Promise<Result<IntakeChecks>> {
  const sketch = sketchOf(source.text);
  if (before?.checks && before.digest === source.digest)
    return ok({ ...before.checks, ...(sketch === undefined ? {} : { sketch }) });
  const alike = sketch && (await countAlike(thread, source, sketch, nowMs - limits.lookAlikesMs));
  if (alike?.ok === false) return alike;
  const lookAlikes = alike?.value ?? 0;
  if (limits.lookAlikesMax > 0 && lookAlikes >= limits.lookAlikesMax)
    return err(
      failure('invalid_argument', `${lookAlikes} others that came lately say nearly the same`),
    );
  const nearest =
    limits.anomaly === 'off' ? ok(undefined) : await nearestOf(thread, passages, before);
  if (!nearest.ok) return nearest;
  const scores = nearest.value === undefined ? ok([]) : await thread.nearestScores(scoresMax);
  if (!scores.ok) return scores;
  const anomaly =
    nearest.value === undefined ? undefined : deviationBelow(scores.value, nearest.value);
  const isStrange = anomaly !== undefined && anomaly > limits.anomalyMax;
  if (isStrange && limits.anomaly === 'refuse')
    return err(
      failure('invalid_argument', `it is like nothing here: ${anomaly.toFixed(1)} deviations off`),
    );
  return ok({
    lookAlikes,
    isStrange,
    ...(sketch === undefined ? {} : { sketch }),
    ...(nearest.value === undefined ? {} : { nearest: nearest.value }),
    ...(anomaly === undefined ? {} : { anomaly }),
  });
}

async function countAlike(
  thread: CollectionThread,
  source: SourceDocument,
  sketch: Uint32Array,
  sinceMs: number,
): Promise<Result<number>> {
  const others = await thread.sketches(sourceOf(source), sinceMs, comparedMax);
  if (!others.ok) return others;
  const alike = others.value.filter(
    (other) => other.uri !== source.uri && likenessOf(sketch, other.sketch) >= likenessMin,
  );
  return ok(alike.length);
}

/**
 * The middle one of its passages' cosines with what is nearest of the other documents; undefined where nothing can be
 * compared. Its own earlier version is near by nature: it would hide a stranger, and make strangers of all that are new.
 */
async function nearestOf(
  thread: CollectionThread,
  passages: readonly PreparedPassage[],
  before: DocumentRecord | undefined,
): Promise<Result<number | undefined>> {
  const vectors = passages.flatMap(({ vector }) => vector ?? []);
  const step = Math.max(1, Math.ceil(vectors.length / passagesLooked));
  const cosines: number[] = [];
  for (let i = 0; i < vectors.length; i += step) {
    const best = await nearestOther(thread, vectors[i], before);
    if (!best.ok) return best;
    if (best.value !== undefined) cosines.push(best.value);
  }
  return ok(cosines.length === 0 ? undefined : medianOf(cosines));
}

async function nearestOther(
  thread: CollectionThread,
  vector: Float32Array | undefined,
  before: DocumentRecord | undefined,
): Promise<Result<number | undefined>> {
  const filter = { principals: 'all' as const };
  const count = 1 + Math.min(before?.vectors ?? 0, ownPassagesMax);
  const legs = await thread.search({ words: undefined, vector, count, filter });
  if (!legs.ok) return legs;
  const ids = legs.value.vectors.map(({ id }) => id);
  const own = before && (await thread.passages(ids, { ...filter, uri: before.uri }));
  if (own?.ok === false) return own;
  const ownIds = new Set(own?.value.map(({ id }) => id));
  return ok(legs.value.vectors.find(({ id }) => !ownIds.has(id))?.score);
}

/** By how many robust deviations a value lies below the others; undefined of too few. */
export function deviationBelow(values: readonly number[], value: number): number | undefined {
  if (values.length < scoresMin) return undefined;
  const middle = medianOf(values);
  const spread = medianOf(values.map((each) => Math.abs(each - middle)));
  // 1.4826: of a normal distribution it is the standard deviation. Where all are the same any other would be endless.
  return (middle - value) / Math.max(1.4826 * spread, 0.01);
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2;
}
