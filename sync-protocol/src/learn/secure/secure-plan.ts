// What all clients of a masked round agree on before it begins. It is checked by each of them, and is part of what they
// sign: a server that tells two clients two plans gets two sets of keys that fit no other.

import { nameSchema, ok, type Result } from '@skerry/shared';
import { type DistributedNoise, distributedNoise } from '@skerry/shared/privacy';
import { encode } from 'cborg';
import { z } from 'zod';
import { decodeAs, encodeOptions } from '../../codec.ts';

/** The complete graph costs n² messages and masks; a larger cohort is aggregated in groups. */
export const secureClientsMax = 64;
export const secureValuesMax = 16_777_216;
/** A masked word is one of Z/2^ringBits. */
export const ringBits = [8, 16, 24, 32] as const;
export type RingBits = (typeof ringBits)[number];
/** Weight and examples travel in words of 32 bits, whatever the ring. */
export const headerWords = 2;
export const headerModulus = 2 ** 32;

/**
 * The server that a threshold defends against. `curious` follows the protocol and remembers: t > n/2. `active` lies to
 * whom it likes, together with fewer than a third of the clients: t > 2n/3 (Bonawitz et al. 2017, §6).
 */
export const adversaries = ['curious', 'active'] as const;
export type Adversary = (typeof adversaries)[number];

/** Each value is clipped to ±range and becomes one of 0…levels, by chance so that the mean is exact. */
const gridSchema = z.strictObject({
  kind: z.literal('grid'),
  range: z.number().gt(0).max(1e6),
  levels: z.int().min(1).max(headerModulus),
  /** A client weighs 1…weightMax: one for each so many examples. 1 weighs all alike. */
  weightMax: z.int().min(1).max(1_000_000),
  examplesPerWeight: z.int().min(1).max(1_000_000),
});
export type GridEncoding = z.infer<typeof gridSchema>;

/** The update is clipped to a norm, and each client adds its share of the sum’s noise: differential privacy before the server. */
const noisedSchema = z.strictObject({
  kind: z.literal('noised'),
  clip: z.number().gt(0).max(1e6),
  noiseMultiplier: z.number().gt(0).max(1e3),
  honestMin: z.int().min(1).max(secureClientsMax),
  steps: z.int().min(1).max(headerModulus),
});
export type NoisedEncoding = z.infer<typeof noisedSchema>;

export const securePlanSchema = z
  .strictObject({
    version: z.literal(1),
    adversary: z.enum(adversaries),
    /** Never fewer than these many in a sum, nor to open one, however small the round. */
    thresholdMin: z.int().min(2).max(secureClientsMax),
    clientsMax: z.int().min(2).max(secureClientsMax),
    /** How many numbers an update has. */
    values: z.int().min(1).max(secureValuesMax),
    encoding: z.discriminatedUnion('kind', [gridSchema, noisedSchema]),
    examplesMax: z.int().min(1).max(1_000_000),
    ringBits: z.literal(ringBits),
  })
  .refine((plan) => plan.thresholdMin <= plan.clientsMax, 'a threshold above the number of clients')
  .refine(sumFits, 'a sum could overflow the ring')
  .refine(
    ({ encoding, thresholdMin }) => encoding.kind === 'grid' || encoding.honestMin <= thresholdMin,
    'a sum could have less noise than it says',
  );
export type SecurePlan = z.infer<typeof securePlanSchema>;

/** Keys, masks and signatures are bound to it: nothing of one attempt means anything in another. */
export const sessionSchema = z.strictObject({
  run: nameSchema,
  round: z.int().nonnegative(),
  attempt: z.int().min(1).max(1_000),
});
export type SecureSession = z.infer<typeof sessionSchema>;

/**
 * A value at +range is `levels` itself, and weighs up to `weightMax`: n·w·q must stay strictly below the modulus, or the
 * largest sum would come out as 0. What has noise must have its room on both sides of 0. [SEC3]
 */
export function sumFits(plan: {
  clientsMax: number;
  encoding: GridEncoding | NoisedEncoding;
  examplesMax: number;
  ringBits: number;
}): boolean {
  const { clientsMax, encoding, examplesMax, ringBits } = plan;
  if (clientsMax * examplesMax >= headerModulus) return false;
  if (encoding.kind === 'grid')
    return clientsMax * encoding.weightMax * encoding.levels < 2 ** ringBits;
  if (encoding.honestMin > clientsMax) return false;
  const finest = distributedNoise(noiseOf(encoding), { clientsMax, ringBits });
  return finest.ok && finest.value.steps === encoding.steps;
}

const noiseOf = ({ clip, noiseMultiplier, honestMin }: Omit<DistributedNoise, 'steps'>) => ({
  clip,
  noiseMultiplier,
  honestMin,
});

interface Room {
  readonly clientsMax: number;
  readonly ringBits: RingBits;
}

/** The finest grid whose sum fits. `weightMax` levels of weight are spread over `examplesMax`. */
export function gridEncoding(
  of: { readonly range: number; readonly weightMax: number; readonly examplesMax: number },
  { clientsMax, ringBits }: Room,
): GridEncoding {
  const { range, weightMax, examplesMax } = of;
  const levels = Math.floor((2 ** ringBits - 1) / (clientsMax * weightMax));
  const examplesPerWeight = Math.ceil(examplesMax / weightMax);
  return { kind: 'grid', range, levels, weightMax, examplesPerWeight };
}

/** Fails with `invalid_argument` where the ring is too small for this noise. */
export function noisedEncoding(
  noise: Omit<DistributedNoise, 'steps'>,
  room: Room,
): Result<NoisedEncoding> {
  const finest = distributedNoise(noiseOf(noise), room);
  return finest.ok ? ok({ kind: 'noised', ...finest.value }) : finest;
}

/** How many of `clients` must answer, and whose shares open a secret. */
export function thresholdOf(
  clients: number,
  { adversary, thresholdMin }: Pick<SecurePlan, 'adversary' | 'thresholdMin'>,
): number {
  const beyond = adversary === 'active' ? (2 * clients) / 3 : clients / 2;
  return Math.max(thresholdMin, Math.floor(beyond) + 1);
}

/** What goes out with the task to train. */
export const encodeSecurePlan = (plan: SecurePlan): Uint8Array => encode(plan, encodeOptions);

/** Fails with `malformed_message`, also for a plan whose sum could overflow. */
export const decodeSecurePlan = (bytes: Uint8Array): Result<SecurePlan> =>
  decodeAs(securePlanSchema, bytes);

export const sameSession = (a: SecureSession, b: SecureSession): boolean =>
  a.run === b.run && a.round === b.round && a.attempt === b.attempt;
