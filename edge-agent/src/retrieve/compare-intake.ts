// What comes in against what is there, on the thread that has it: sketches, cosines and the scores of others stay where they
// are, and one call tells how many are alike and how strange it is. [LIB48] [LIB49]

import type { CollectionFile } from './collection-file.ts';
import { likenessOf } from './text-sketch.ts';

/** Of a document that is not there yet. */
export interface IntakeCandidate {
  readonly uri: string;
  /** Of whom it came. */
  readonly source: string;
  /** Absent of a short text, which is alike by nature. */
  readonly sketch: Uint32Array<ArrayBuffer> | undefined;
  /** Others that came before count no more. */
  readonly sinceMs: number;
  /** So many alike and it is refused, whatever else it is like; 0: no bound. */
  readonly lookAlikesMax: number;
  /** Of some of its passages; none: it is not asked whether it is strange. */
  readonly vectors: readonly Float32Array[];
}

export interface IntakeComparison {
  readonly lookAlikes: number;
  /** The middle one of its vectors' cosines with what is nearest of the other documents; absent where nothing can be compared. */
  readonly nearest?: number;
  /** By how many robust deviations that lies below what is usual here. */
  readonly anomaly?: number;
}

/** Nearly the same: of their shingles both have so many. */
const likenessMin = 0.8;
/** Of one source, the newest. */
const comparedMax = 500;
/** Of its own earlier version, those that may be nearer than all others. */
const ownPassagesMax = 63;
/** Fewer say nothing of what is usual. */
const scoresMin = 20;
const scoresMax = 1_000;

type Compared = Pick<
  CollectionFile,
  'sketches' | 'nearestScores' | 'searchVectors' | 'passages' | 'find'
>;

export function compareIntake(file: Compared, candidate: IntakeCandidate): IntakeComparison {
  const lookAlikes = countAlike(file, candidate);
  if (candidate.lookAlikesMax > 0 && lookAlikes >= candidate.lookAlikesMax) return { lookAlikes };
  const nearest = nearestOf(file, candidate);
  if (nearest === undefined) return { lookAlikes };
  const anomaly = deviationBelow(file.nearestScores(scoresMax), nearest);
  return { lookAlikes, nearest, ...(anomaly === undefined ? {} : { anomaly }) };
}

function countAlike(file: Compared, { uri, source, sketch, sinceMs }: IntakeCandidate): number {
  if (sketch === undefined) return 0;
  const isAlike = (other: ReturnType<Compared['sketches']>[number]): boolean =>
    other.uri !== uri && likenessOf(sketch, other.sketch) >= likenessMin;
  return file.sketches(source, sinceMs, comparedMax).filter(isAlike).length;
}

/** Its own earlier version is near by nature: it would hide a stranger, and make strangers of all that are new. */
function nearestOf(file: Compared, { uri, vectors }: IntakeCandidate): number | undefined {
  const before = vectors.length === 0 ? undefined : file.find(uri);
  const count = 1 + Math.min(before?.vectors ?? 0, ownPassagesMax);
  const everything = { principals: 'all' } as const;
  const cosines = vectors.flatMap((vector) => {
    const near = file.searchVectors(vector, count, everything);
    const ids = before === undefined ? [] : near.map(({ id }) => id);
    const own = new Set(file.passages(ids, { ...everything, uri }).map(({ id }) => id));
    return near.find(({ id }) => !own.has(id))?.score ?? [];
  });
  return cosines.length === 0 ? undefined : medianOf(cosines);
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
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2;
}
