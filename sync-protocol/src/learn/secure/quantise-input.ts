// From an update to integers that can be summed, and from their sum to the mean: each number stochastically rounded to a
// grid, then multiplied by the client’s integer weight. The weight itself and the examples are two words more, as masked as
// the rest. Updates travel, not weights, and the weight is not scaled into them: the grid’s step is the same for all.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Cryptography, keyBytes } from './cryptography.ts';
import { wordsOfPlan } from './masked-words.ts';
import { headerWords, type SecurePlan } from './secure-plan.ts';

/** Random words are drawn so many at a time. */
const drawnWords = 16_384;

export interface QuantisedInput {
  /** weight, examples, then weight × level of each value. */
  readonly words: Uint32Array;
  /** The share of values that lay outside ±range. */
  readonly clippedShare: number;
}

/** The grid’s level nearest below, or above by the chance that makes the mean exact; `uniform` in [0, 1). */
export function quantiseValue(
  value: number,
  { range, levels }: Pick<SecurePlan, 'range' | 'levels'>,
  uniform: number,
): number {
  const inside = Math.min(range, Math.max(-range, value));
  const scaled = ((inside + range) / (2 * range)) * levels;
  const below = Math.floor(scaled);
  return uniform < scaled - below ? below + 1 : below;
}

/** One for each so many examples, and at least 1. */
export const weightOf = (examples: number, { weightMax, examplesPerWeight }: SecurePlan): number =>
  Math.min(weightMax, Math.max(1, Math.round(examples / examplesPerWeight)));

/** Fails with `invalid_argument` for another length, a value that is not finite, no examples, or more than the plan’s most. */
export function quantiseInput(
  plan: SecurePlan,
  update: Float32Array,
  examples: number,
  { keystream, randomBytes }: Pick<Cryptography, 'keystream' | 'randomBytes'>,
): Result<QuantisedInput> {
  if (update.length !== plan.values)
    return err(failure('invalid_argument', `${update.length} values, expected ${plan.values}`));
  if (!Number.isInteger(examples) || examples < 1 || examples > plan.examplesMax)
    return err(failure('invalid_argument', `${examples} examples, at most ${plan.examplesMax}`));
  const weight = weightOf(examples, plan);
  const words = new Uint32Array(wordsOfPlan(plan));
  words[0] = weight;
  words[1] = examples;
  const next = keystream(randomBytes(keyBytes));
  let clipped = 0;
  for (let from = 0; from < update.length; from += drawnWords) {
    const part = update.subarray(from, from + drawnWords);
    const bytes = next(part.length * 4);
    const drawn = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < part.length; i++) {
      const value = part[i] as number;
      if (!Number.isFinite(value))
        return err(failure('invalid_argument', `value ${from + i} is not finite`));
      if (Math.abs(value) > plan.range) clipped += 1;
      const uniform = drawn.getUint32(i * 4, true) / 2 ** 32;
      words[headerWords + from + i] = weight * quantiseValue(value, plan, uniform);
    }
  }
  return ok({ words, clippedShare: clipped / update.length });
}

export interface SecureAggregate {
  /** Σ weight·update / Σ weight. */
  readonly mean: Float64Array;
  readonly weight: number;
  readonly examples: number;
  /** Σ weight·level, of each value: what was summed, to the bit. */
  readonly sum: Uint32Array;
}

/** `words` is an unmasked sum. Fails with `malformed_message` where no clients of this plan could have it. */
export function dequantiseSum(
  plan: SecurePlan,
  words: Uint32Array,
  clients: number,
): Result<SecureAggregate> {
  const { range, levels, weightMax, examplesMax, ringBits } = plan;
  const [weight = 0, examples = 0] = words;
  const sum = words.slice(headerWords);
  if (ringBits < 32)
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) & ringMask(ringBits);
  const possible =
    weight >= clients &&
    weight <= clients * weightMax &&
    examples >= clients &&
    examples <= clients * examplesMax &&
    sum.every((word) => word <= weight * levels);
  if (!possible)
    return err(failure('malformed_message', 'the sum is not one of clients that kept to the plan'));
  const step = (2 * range) / levels / weight;
  const mean = new Float64Array(sum.length); // `from` with a function takes ten times as long.
  for (let i = 0; i < mean.length; i++) mean[i] = (sum[i] as number) * step - range;
  return ok({ mean, weight, examples, sum });
}

const ringMask = (ringBits: number): number => 2 ** ringBits - 1;
