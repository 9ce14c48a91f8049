// What comes in against what is there: a burst of look-alikes from one source is refused, and a document that is like
// nothing in its collection is marked, or refused. Poisoned documents come in numbers, or from elsewhere
// (PoisonedRAG, USENIX Security 2025). [LIB48] [LIB49]

import { err, failure, ok, type Result } from '@skerry/shared';
import type { DocumentRecord, IntakeChecks, PreparedPassage } from './collection-file.ts';
import type { CollectionThread } from './collections.ts';
import { type SourceDocument, sourceOf } from './passage.ts';
import { sketchOf } from './text-sketch.ts';

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

/** Of a document, spread over it. */
const passagesLooked = 4;

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
  const compared = await thread.compareIntake({
    uri: source.uri,
    source: sourceOf(source),
    sketch,
    sinceMs: nowMs - limits.lookAlikesMs,
    lookAlikesMax: limits.lookAlikesMax,
    vectors: limits.anomaly === 'off' ? [] : someVectors(passages),
  });
  if (!compared.ok) return compared;
  const { lookAlikes, nearest, anomaly } = compared.value;
  if (limits.lookAlikesMax > 0 && lookAlikes >= limits.lookAlikesMax)
    return err(
      failure('invalid_argument', `${lookAlikes} others that came lately say nearly the same`),
    );
  const isStrange = anomaly !== undefined && anomaly > limits.anomalyMax;
  if (isStrange && limits.anomaly === 'refuse')
    return err(
      failure('invalid_argument', `it is like nothing here: ${anomaly.toFixed(1)} deviations off`),
    );
  return ok({
    lookAlikes,
    isStrange,
    ...(sketch === undefined ? {} : { sketch }),
    ...(nearest === undefined ? {} : { nearest }),
    ...(anomaly === undefined ? {} : { anomaly }),
  });
}

function someVectors(passages: readonly PreparedPassage[]): readonly Float32Array[] {
  const vectors = passages.flatMap(({ vector }) => vector ?? []);
  const step = Math.max(1, Math.ceil(vectors.length / passagesLooked));
  return vectors.filter((_, i) => i % step === 0);
}
