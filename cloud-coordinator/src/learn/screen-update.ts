// Whether an update may be added at all, and how far it is from the others: before any strategy sees it. What breaks a bound is
// quarantined with its reason, and the round goes on without it. A score against the cohort needs a cohort; it is no defence
// against many who agree (that is the robust rules' part), but it names the one that a person should look at.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { ClientUpdate } from './strategies/strategy.ts';
import { isFiniteVector, medianOf, norm } from './strategies/vectors.ts';

export const screenLimitsSchema = z.strictObject({
  /** L2 norm that no update may exceed: what the plan clips to, where it clips. */
  normMax: z.number().gt(0).max(1e9).optional(),
  /** The same of what moves a control variate (SCAFFOLD), which is a gradient and not an update. */
  controlNormMax: z.number().gt(0).max(1e9).optional(),
  /** Times the cohort's median norm, of an update and of what moves its control variate. */
  normRatioMax: z.number().gt(1).max(1e6).default(5),
  /**
   * Cosine to the mean direction of the others. −1: it is told, and quarantines nobody. Among ten clients with digits of two
   * kinds each honest ones reach −0.41, and −0.60 beside two whose signs are flipped, half of which are above −0.06: direction
   * alone tells honest from not where clients' data are alike, or many.
   */
  cosineMin: z.number().min(-1).max(1).default(-1),
  /** Times the cohort's median of the metric `loss`. */
  lossRatioMax: z.number().gt(1).max(1e6).default(20),
  /** With fewer updates than this nothing is said about one against the others. */
  cohortMin: z.int().min(3).max(10_000).default(5),
});
export type ScreenLimits = z.infer<typeof screenLimitsSchema>;

export type QuarantineReason =
  | 'wrong-size'
  | 'not-finite'
  | 'norm-above-bound'
  | 'norm-above-cohort'
  | 'control-above-bound'
  | 'control-above-cohort'
  | 'against-cohort'
  | 'loss-above-cohort';

export interface Screening {
  readonly client: string;
  readonly norm: number;
  /** Against the cohort, where there is one. */
  readonly normRatio?: number;
  readonly controlNorm?: number;
  readonly controlRatio?: number;
  readonly cosine?: number;
  readonly lossRatio?: number;
  /** How near it is to the nearest limit: 0 is the cohort's own direction and size, above 1 is quarantined. */
  readonly anomaly: number;
  readonly reason?: QuarantineReason;
}

/** The loss that a client reports of its training. */
const lossMetric = 'loss';

/** Of one update by itself, when it comes. Fails with `invalid_argument`; nothing is known of the cohort yet. */
export function checkUpdate(
  delta: Float32Array,
  { size, normMax }: { readonly size: number; readonly normMax?: number | undefined },
): Result<{ readonly norm: number }> {
  const refused = (what: string) => err(failure('invalid_argument', what));
  if (delta.length !== size)
    return refused(`an update of ${size} parameters was expected; ${delta.length} came`);
  if (!isFiniteVector(delta)) return refused('an update with a number that is not finite');
  const length = norm(delta);
  if (normMax !== undefined && length > normMax * (1 + normSlack))
    return refused(`an update of norm ${length}; ${normMax} is the most`);
  return ok({ norm: length });
}

/** What clipping to a norm in float32 may miss it by. */
const normSlack = 1e-4;

type Screened = Pick<ClientUpdate, 'client' | 'delta' | 'metrics' | 'control'>;

/** Of a round's updates, one for each in their order. */
export function screenUpdates(
  updates: readonly Screened[],
  size: number,
  limits: ScreenLimits,
): readonly Screening[] {
  const broken = updates.map(({ delta, control = delta }): QuarantineReason | undefined =>
    delta.length !== size || control.length !== size
      ? 'wrong-size'
      : isFiniteVector(delta) && isFiniteVector(control)
        ? undefined
        : 'not-finite',
  );
  const sound = updates.filter((_, i) => broken[i] === undefined);
  const cohort = sound.length >= limits.cohortMin ? describeCohort(sound, size) : undefined;
  return updates.map((update, i) => {
    const { client } = update;
    const reason = broken[i];
    if (reason !== undefined)
      return { client, norm: Number.NaN, anomaly: Number.POSITIVE_INFINITY, reason };
    return scoreUpdate(update, cohort, limits);
  });
}

interface Cohort {
  readonly medianNorm: number;
  readonly medianControl: number | undefined;
  readonly medianLoss: number | undefined;
  /** The sum of all updates, each of length 1: no length counts, and one is easily taken out again. */
  readonly direction: Float64Array;
}

function describeCohort(updates: readonly Screened[], size: number): Cohort {
  const norms = updates.map(({ delta }) => norm(delta));
  const direction = new Float64Array(size);
  for (const [u, { delta }] of updates.entries()) {
    const length = norms[u] as number;
    if (length === 0) continue;
    for (let i = 0; i < size; i++)
      direction[i] = (direction[i] as number) + (delta[i] as number) / length;
  }
  const controls = updates.flatMap(({ control }) => (control === undefined ? [] : [norm(control)]));
  const losses = updates.flatMap(({ metrics }) => finiteLoss(metrics) ?? []);
  return {
    medianNorm: medianOf(norms),
    medianControl: 2 * controls.length > updates.length ? medianOf(controls) : undefined,
    medianLoss: 2 * losses.length > updates.length ? medianOf(losses) : undefined,
    direction,
  };
}

const finiteLoss = (metrics: Readonly<Record<string, number>>): number | undefined => {
  const loss = metrics[lossMetric];
  return loss !== undefined && Number.isFinite(loss) ? loss : undefined;
};

function scoreUpdate(
  { client, delta, metrics, control }: Screened,
  cohort: Cohort | undefined,
  { normMax, controlNormMax, normRatioMax, cosineMin, lossRatioMax }: ScreenLimits,
): Screening {
  const length = norm(delta);
  const normRatio = ratioTo(length, cohort?.medianNorm);
  const controlNorm = control === undefined ? undefined : norm(control);
  const controlRatio = ratioTo(controlNorm, cohort?.medianControl);
  const cosine = cohort === undefined ? undefined : cosineToOthers(delta, length, cohort.direction);
  const loss = finiteLoss(metrics);
  const lossRatio = ratioTo(loss, cohort?.medianLoss);
  // Each as a share of its limit.
  const shares: readonly (readonly [QuarantineReason, number])[] = [
    ['norm-above-bound', normMax === undefined ? 0 : length / (normMax * (1 + normSlack))],
    ['norm-above-cohort', (normRatio ?? 0) / normRatioMax],
    ['control-above-bound', (controlNorm ?? 0) / ((controlNormMax ?? Infinity) * (1 + normSlack))],
    ['control-above-cohort', (controlRatio ?? 0) / normRatioMax],
    ['against-cohort', cosine === undefined ? 0 : (1 - cosine) / (1 - cosineMin)],
    ['loss-above-cohort', (lossRatio ?? 0) / lossRatioMax],
  ];
  const [reason, anomaly] = shares.reduce((most, each) => (each[1] > most[1] ? each : most));
  return {
    client,
    norm: length,
    ...(normRatio === undefined ? {} : { normRatio }),
    ...(controlNorm === undefined ? {} : { controlNorm }),
    ...(controlRatio === undefined ? {} : { controlRatio }),
    ...(cosine === undefined ? {} : { cosine }),
    ...(lossRatio === undefined ? {} : { lossRatio }),
    anomaly,
    ...(anomaly > 1 ? { reason } : {}),
  };
}

const ratioTo = (value: number | undefined, median: number | undefined): number | undefined =>
  value === undefined || median === undefined || median <= 0 ? undefined : value / median;

/** An update has no part in what it is held against; one of length 0, or against nothing, is at a right angle. */
function cosineToOthers(delta: Float32Array, length: number, direction: Float64Array): number {
  if (length === 0) return 0;
  let along = 0;
  let rest = 0;
  for (let i = 0; i < delta.length; i++) {
    const own = (delta[i] as number) / length;
    const others = (direction[i] as number) - own;
    along += own * others;
    rest += others * others;
  }
  // Rounding may take it a hair beyond −1.
  return rest === 0 ? 0 : Math.max(-1, along / Math.sqrt(rest));
}
