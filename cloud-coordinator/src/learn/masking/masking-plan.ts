// What an operator says of a run whose updates nobody shall see, and the plan that all of its clients agree on.

import { describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import {
  adversaries,
  gridEncoding,
  noisedEncoding,
  ringBits,
  type SecurePlan,
  secureClientsMax,
  securePlanSchema,
} from '@skerry/sync-protocol/secure-aggregation';
import { z } from 'zod';
import type { DistributedPrivacy } from '../privacy/index.ts';

export const maskingSchema = z.strictObject({
  /** What the coordinator is taken for: one that keeps to the protocol, or one that lies. Devices may insist on the latter. */
  adversary: z.enum(adversaries).default('active'),
  /** No sum of fewer. */
  thresholdMin: z.int().min(2).max(secureClientsMax).default(3),
  /** Each number of an update is clipped to ±range; absent: the plan’s clip norm, which no number of an update exceeds. */
  range: z.number().gt(0).max(1e6).optional(),
  /** So many weights are told apart; with 1 all clients weigh alike. */
  weightMax: z.int().min(1).max(1_000_000).default(255),
  ringBits: z.literal(ringBits).default(32),
  /** How long each of the four questions after training is waited for. */
  stageMs: z.int().min(1_000).max(86_400_000).default(300_000),
});
export type Masking = z.infer<typeof maskingSchema>;

/** A grid of fewer levels would round most of an update away. */
const levelsMin = 16;

interface Masked {
  readonly clientsMax: number;
  readonly values: number;
  readonly examplesMax: number;
  readonly clipNorm?: number | undefined;
}

/** Of a query: each count is a level of its own, so that the sum is exact, and all weigh alike. Fails as `securePlanOf`. */
export function countingPlanOf(
  { adversary, thresholdMin, ringBits }: Masking,
  { clientsMax, values, examplesMax }: Masked,
): Result<SecurePlan> {
  // A power of two: no count is rounded on its way to its level.
  const range = 2 ** Math.ceil(Math.log2(examplesMax));
  const weights = { weightMax: 1, examplesPerWeight: examplesMax };
  return checked({
    version: 1,
    adversary,
    thresholdMin,
    values,
    encoding: { kind: 'grid', range, levels: 2 * range, ...weights },
    examplesMax,
    clientsMax,
    ringBits,
  });
}

function checked(plan: SecurePlan): Result<SecurePlan> {
  const parsed = securePlanSchema.safeParse(plan);
  if (parsed.success) return ok(parsed.data);
  return err(failure('invalid_argument', describeIssues(parsed.error, 'the masked plan')));
}

/** Each update is cut towards nought to the grid, up to a step of each number: of one as long as the clip no more than this. */
const cutShareMax = 1 / 16;

/** Devices add shares of the sum's noise; all weigh alike. Fails as `securePlanOf`. */
export function noisedPlanOf(
  { adversary, thresholdMin, ringBits }: Masking,
  { clip, noiseMultiplier, honestMin = thresholdMin }: DistributedPrivacy,
  { clientsMax, values, examplesMax }: Masked,
): Result<SecurePlan> {
  if (honestMin > thresholdMin)
    return err(
      failure(
        'invalid_argument',
        `a sum of ${thresholdMin} may be opened: ${honestMin} cannot be counted on for its noise`,
      ),
    );
  if (thresholdMin > clientsMax)
    return err(
      failure('invalid_argument', `a sum of ${thresholdMin} is never one of ${clientsMax} clients`),
    );
  const room = { clientsMax, ringBits };
  const encoding = noisedEncoding({ clip, noiseMultiplier, honestMin }, room);
  if (!encoding.ok) return encoding;
  if (Math.sqrt(values) > cutShareMax * encoding.value.steps)
    return err(
      failure(
        'invalid_argument',
        `a ring of ${ringBits} bits is too small for ${values} numbers with this noise: a clip of ${encoding.value.steps} steps would cut too much off`,
      ),
    );
  return checked({
    version: 1,
    adversary,
    thresholdMin,
    values,
    encoding: encoding.value,
    examplesMax,
    ...room,
  });
}

/** Fails with `invalid_argument`, for a person: what does not go together. */
export function securePlanOf(
  { adversary, thresholdMin, range, weightMax, ringBits }: Masking,
  { clientsMax, values, examplesMax, clipNorm }: Masked,
): Result<SecurePlan> {
  const within = range ?? clipNorm;
  if (within === undefined)
    return err(failure('invalid_argument', 'a masked run needs a range or a clip norm'));
  const room = { clientsMax, ringBits };
  const encoding = gridEncoding({ range: within, weightMax, examplesMax }, room);
  if (encoding.levels < levelsMin) {
    const sum = `${clientsMax} clients of ${weightMax} weights`;
    return err(failure('invalid_argument', `a ring of ${ringBits} bits is too small for ${sum}`));
  }
  return checked({ version: 1, adversary, thresholdMin, values, encoding, examplesMax, ...room });
}
