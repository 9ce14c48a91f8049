// From an update to integers that can be summed, and from their sum to the mean: each number stochastically rounded to a
// grid, then multiplied by the client’s integer weight. The weight itself and the examples are two words more, as masked as
// the rest. Updates travel, not weights, and the weight is not scaled into them: the grid’s step is the same for all.
// Where clients add noise, all weigh alike, and what they say beside it is that they are there.

import { err, failure, ok, type Result } from '@skerry/shared';
import { l2Norm, noisedShare, readNoisedSum } from '@skerry/shared/privacy';
import { type Cryptography, keyBytes } from './cryptography.ts';
import { wordsOfPlan } from './masked-words.ts';
import {
  type GridEncoding,
  headerWords,
  type NoisedEncoding,
  type RingBits,
  type SecurePlan,
} from './secure-plan.ts';

/** Random words are drawn so many at a time. */
const drawnWords = 16_384;

export interface QuantisedInput {
  /** weight, examples, then weight × level of each value; with noise 1, 1, then steps of the clip. */
  readonly words: Uint32Array;
  /** The share of values that lay outside ±range; 1 for an update that was longer than the clip. */
  readonly clippedShare: number;
}

/** The grid’s level nearest below, or above by the chance that makes the mean exact; `uniform` in [0, 1). */
export function quantiseValue(
  value: number,
  { range, levels }: Pick<GridEncoding, 'range' | 'levels'>,
  uniform: number,
): number {
  const inside = Math.min(range, Math.max(-range, value));
  const scaled = ((inside + range) / (2 * range)) * levels;
  const below = Math.floor(scaled);
  return uniform < scaled - below ? below + 1 : below;
}

/** One for each so many examples, and at least 1. */
export const weightOf = (
  examples: number,
  { weightMax, examplesPerWeight }: Pick<GridEncoding, 'weightMax' | 'examplesPerWeight'>,
): number => Math.min(weightMax, Math.max(1, Math.round(examples / examplesPerWeight)));

type Chance = Pick<Cryptography, 'keystream' | 'randomBytes'>;

/** Fails with `invalid_argument` for another length, a value that is not finite, no examples, or more than the plan’s most. */
export function quantiseInput(
  plan: SecurePlan,
  update: Float32Array,
  examples: number,
  chance: Chance,
): Result<QuantisedInput> {
  const { encoding, examplesMax, values } = plan;
  if (update.length !== values)
    return err(failure('invalid_argument', `${update.length} values, expected ${values}`));
  if (!Number.isInteger(examples) || examples < 1 || examples > examplesMax)
    return err(failure('invalid_argument', `${examples} examples, at most ${examplesMax}`));
  const words = new Uint32Array(wordsOfPlan(plan));
  if (encoding.kind === 'noised') return noiseInto(words, encoding, update, chance);
  const weight = weightOf(examples, encoding);
  words.set([weight, examples]);
  const clipped = quantiseInto(words.subarray(headerWords), encoding, weight, update, chance);
  return clipped.ok ? ok({ words, clippedShare: clipped.value / values }) : clipped;
}

/** Gives how many values were clipped. */
function quantiseInto(
  words: Uint32Array,
  grid: GridEncoding,
  weight: number,
  update: Float32Array,
  { keystream, randomBytes }: Chance,
): Result<number> {
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
      if (Math.abs(value) > grid.range) clipped += 1;
      const uniform = drawn.getUint32(i * 4, true) / 2 ** 32;
      words[from + i] = weight * quantiseValue(value, grid, uniform);
    }
  }
  return ok(clipped);
}

function noiseInto(
  words: Uint32Array,
  noise: NoisedEncoding,
  update: Float32Array,
  { keystream, randomBytes }: Chance,
): Result<QuantisedInput> {
  const norm = l2Norm(update);
  if (!norm.ok) return norm;
  const next = keystream(randomBytes(keyBytes));
  const share = noisedShare(update, noise, { fill: (into) => into.set(next(into.length)) });
  if (!share.ok) return share;
  words.set([1, 1]);
  words.set(share.value, headerWords);
  return ok({ words, clippedShare: norm.value > noise.clip ? 1 : 0 });
}

export interface SecureAggregate {
  /** Σ weight·update / Σ weight. */
  readonly mean: Float64Array;
  readonly weight: number;
  /** With noise, clients. */
  readonly examples: number;
  /** Of the ring, for each value: what was summed, to the bit. */
  readonly sum: Uint32Array;
}

/** `words` is an unmasked sum. Fails with `malformed_message` where no clients of this plan could have it. */
export function dequantiseSum(
  plan: SecurePlan,
  words: Uint32Array,
  clients: number,
): Result<SecureAggregate> {
  const { encoding, examplesMax, ringBits } = plan;
  const [weight = 0, examples = 0] = words;
  const sum = words.slice(headerWords);
  if (ringBits < 32)
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) & ringMask(ringBits);
  const possible =
    encoding.kind === 'noised'
      ? weight === clients && examples === clients
      : weight >= clients &&
        weight <= clients * encoding.weightMax &&
        examples >= clients &&
        examples <= clients * examplesMax &&
        sum.every((word) => word <= weight * encoding.levels);
  if (!possible)
    return err(failure('malformed_message', 'the sum is not one of clients that kept to the plan'));
  return ok({ mean: meanOf(encoding, sum, weight, ringBits), weight, examples, sum });
}

function meanOf(
  encoding: SecurePlan['encoding'],
  sum: Uint32Array,
  weight: number,
  ringBits: RingBits,
): Float64Array {
  if (encoding.kind === 'noised') {
    const total = readNoisedSum(sum, encoding, ringBits);
    for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) / weight;
    return total;
  }
  const { range, levels } = encoding;
  const step = (2 * range) / levels / weight;
  const mean = new Float64Array(sum.length); // `from` with a function takes ten times as long.
  for (let i = 0; i < mean.length; i++) mean[i] = (sum[i] as number) * step - range;
  return mean;
}

const ringMask = (ringBits: RingBits): number => 2 ** ringBits - 1;
