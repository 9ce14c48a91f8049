// A tree of hashes as RFC 6962 §2.1 has it: its root names a list, and a few hashes prove that something stands in it.

import { assert, defined } from '@skerry/shared';

/** sha256, as `sha256:…`. */
export type DigestOf = (bytes: Uint8Array) => string;

/** A list of 2^32 is longer than any. */
export const proofHashesMax = 32;

export interface InclusionProof {
  readonly index: number;
  /** Of the list. */
  readonly size: number;
  /** From the leaf's sibling up. */
  readonly hashes: string[];
}

const prefix = 'sha256:'.length;
const leafTag = 0;
const nodeTag = 1;

function leafHash(leaf: string, digestOf: DigestOf): string {
  const text = new TextEncoder().encode(leaf);
  const bytes = new Uint8Array(1 + text.length);
  bytes[0] = leafTag;
  bytes.set(text, 1);
  return digestOf(bytes);
}

const nodeHash = (left: string, right: string, digestOf: DigestOf): string =>
  digestOf(Uint8Array.of(nodeTag, ...bytesOf(left), ...bytesOf(right)));

function bytesOf(digest: string): Uint8Array {
  return Uint8Array.from({ length: (digest.length - prefix) / 2 }, (_, i) =>
    Number.parseInt(digest.slice(prefix + 2 * i, prefix + 2 * i + 2), 16),
  );
}

/** Of none it is the hash of nothing. */
export function merkleRoot(leaves: readonly string[], digestOf: DigestOf): string {
  return rootOf(
    leaves.map((leaf) => leafHash(leaf, digestOf)),
    digestOf,
  );
}

function rootOf(hashes: readonly string[], digestOf: DigestOf): string {
  if (hashes.length === 0) return digestOf(new Uint8Array());
  if (hashes.length === 1) return hashes[0] as string;
  const at = splitOf(hashes.length);
  return nodeHash(
    rootOf(hashes.slice(0, at), digestOf),
    rootOf(hashes.slice(at), digestOf),
    digestOf,
  );
}

/** The largest power of two below it. */
const splitOf = (size: number): number => 2 ** Math.ceil(Math.log2(size) - 1);

export function proveInclusion(
  leaves: readonly string[],
  index: number,
  digestOf: DigestOf,
): InclusionProof {
  assert(index >= 0 && index < leaves.length, 'a leaf of the list');
  const hashes = leaves.map((leaf) => leafHash(leaf, digestOf));
  return { index, size: leaves.length, hashes: pathOf(hashes, index, digestOf) };
}

function pathOf(hashes: readonly string[], index: number, digestOf: DigestOf): string[] {
  if (hashes.length === 1) return [];
  const at = splitOf(hashes.length);
  const [own, others] =
    index < at ? [hashes.slice(0, at), hashes.slice(at)] : [hashes.slice(at), hashes.slice(0, at)];
  return [...pathOf(own, index < at ? index : index - at, digestOf), rootOf(others, digestOf)];
}

/** Whether the leaf stands there in the list of this root. */
export function provesInclusion(
  leaf: string,
  { index, size, hashes }: InclusionProof,
  root: string,
  digestOf: DigestOf,
): boolean {
  if (!(index >= 0 && index < size)) return false;
  const sides: boolean[] = [];
  for (let at = index, left = size; left > 1; ) {
    const half = splitOf(left);
    sides.push(at < half);
    [at, left] = at < half ? [at, half] : [at - half, left - half];
  }
  if (sides.length !== hashes.length) return false;
  let hash = leafHash(leaf, digestOf);
  for (const [i, isLeft] of sides.reverse().entries()) {
    const other = defined(hashes[i], 'a hash for each level');
    hash = isLeft ? nodeHash(hash, other, digestOf) : nodeHash(other, hash, digestOf);
  }
  return hash === root;
}
