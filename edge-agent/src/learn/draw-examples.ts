// Which of the kept examples a round uses. Pure: the same seed draws the same.

import { createRandom, shuffle } from '@skerry/shared';
import type { LearnPlan } from '@skerry/sync-protocol/learn';
import type { ExampleEntry } from './example-store.ts';
import { isHeldOut } from './examples.ts';

export interface Drawn {
  readonly train: readonly string[];
  readonly heldOut: readonly string[];
}

/** Of more than `examplesMax` so many are drawn; those that may only be evaluated with are always held out. */
export function drawExamples(
  entries: readonly ExampleEntry[],
  labels: readonly string[],
  { holdOut, examplesMax }: Pick<LearnPlan, 'holdOut' | 'examplesMax'>,
  seed: number,
): Drawn {
  const known = entries.filter(({ label }) => labels.includes(label));
  const isApart = ({ id, use }: ExampleEntry): boolean =>
    use === 'evaluate' || isHeldOut(id, holdOut);
  const random = createRandom(seed);
  const draw = (from: readonly ExampleEntry[]): string[] => {
    const order = Uint32Array.from({ length: from.length }, (_, i) => i);
    return [...shuffle(order, random).subarray(0, examplesMax)].map((i) => from[i]?.id ?? '');
  };
  return {
    train: draw(known.filter((entry) => !isApart(entry))),
    heldOut: draw(known.filter(isApart)),
  };
}

/** From names to a seed: FNV-1a of 32 bits. */
export function seedOf(...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const char of parts.join('/'))
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return hash >>> 0;
}
