// How a root follows from the one that ships with the device: each signed by as many keys of the one before it as that asks
// for, and by its own (TUF specification §5.3). With these beside it, evidence needs nothing that this disk may lose.

import { z } from 'zod';
import { followRoot, readRoot } from './accepted-metadata.ts';
import type { MetadataSource } from './metadata-source.ts';

const rootsMax = 64;
const rootBytesMax = 512_000;
/** Of them all: they lie in each slot. */
const lineageBytesMax = 256 * 1024;

/** Texts of roots, the oldest first. */
export type Lineage = readonly string[];
const lineageSchema = z.array(z.string()).max(rootsMax);
/** Empty for what is none. */
export const lineageFrom = (value: unknown): Lineage => lineageSchema.safeParse(value).data ?? [];

/** Whether `root` is `shipped`, or one of `lineage`, and all up to it follow from `shipped`. */
export function leadsTo(
  root: string | undefined,
  shipped: Uint8Array | undefined,
  lineage: Lineage,
): boolean {
  const first = readRoot(shipped ?? new Uint8Array());
  if (!first.ok || root === undefined) return false;
  // Evidence from before the first change of keys, where what was trusted since has been lost.
  if (root === new TextDecoder().decode(shipped)) return true;
  let before = first.value;
  for (const text of lineage) {
    const bytes = new TextEncoder().encode(text);
    // A newer program ships with a later root.
    const own = readRoot(bytes);
    if (own.ok && own.value.signed.version <= first.value.signed.version) continue;
    const next = followRoot(before, bytes);
    if (!next.ok) return false;
    if (text === root) return true;
    before = next.value;
  }
  return false;
}

/** From `shipped`, which is not of it, to `accepted`. `undefined` where the source lacks some, or they are too many. */
export async function readLineage(
  source: MetadataSource,
  shipped: Uint8Array,
  accepted: Uint8Array,
): Promise<Lineage | undefined> {
  const [first, last] = [readRoot(shipped), readRoot(accepted)];
  if (!first.ok || !last.ok) return undefined;
  const [from, to] = [first.value.signed.version, last.value.signed.version];
  if (to - from > rootsMax) return undefined;
  const texts: string[] = [];
  let bytes = accepted.length;
  for (let version = from + 1; version < to; version++) {
    const read = await source.read(`${version}.root.json`, rootBytesMax);
    if (!read.ok) return undefined;
    texts.push(new TextDecoder().decode(read.value));
    bytes += read.value.length;
    if (bytes > lineageBytesMax) return undefined;
  }
  const root = new TextDecoder().decode(accepted);
  texts.push(root);
  return leadsTo(root, shipped, texts) ? texts : undefined;
}
