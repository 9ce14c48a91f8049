// The chances of a trial, each from a stream of its own, so that what one of them draws moves no other.

import { createRandom, type Random } from '@skerry/shared';

const streams = [
  'deal',
  'initial',
  'selection',
  'duration',
  'straggling',
  'data',
  'privacy',
] as const;

export const streamOf = (seed: number, name: (typeof streams)[number]): Random =>
  createRandom(seed).fork(streams.indexOf(name));

/** Of what one client does in one round. */
export const clientSeed = (seed: number, round: number, client: number): number =>
  createRandom(seed ^ 0x5bd1e995)
    .fork(round)
    .fork(client)
    .uint32() >>> 1;

/** `count` of `of`, none twice. */
export function choose(count: number, of: number, random: Random): number[] {
  const all = Array.from({ length: of }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + random.below(of - i);
    [all[i], all[j]] = [all[j] as number, all[i] as number];
  }
  return all.slice(0, count);
}

/** How long a client takes, in units of its spread (FedBuff, arXiv 2106.06639, appendix: half-normal). */
export const halfNormal = (random: Random): number => Math.abs(random.gaussian());
