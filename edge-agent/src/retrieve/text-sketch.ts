// Whether two texts are nearly the same, from a few numbers of each: MinHash (Broder, 1997) over shingles of words, by one
// permutation whose range is cut into bins (Li, Owen, Zhang, NIPS 2012).

const bins = 64;
const shingleWords = 4;
/** Of a shorter text its form says more than what it says: rows of a table are alike. */
const shinglesMin = 20;
/** What comes behind is another text's business: so much costs some milliseconds. */
const charactersMax = 200_000;
const emptyBin = 0xffff_ffff;

/** The least hash of each bin; undefined of a text that is too short. */
export function sketchOf(text: string): Uint32Array<ArrayBuffer> | undefined {
  const words =
    text
      .slice(0, charactersMax)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  const count = words.length - shingleWords + 1;
  if (count < shinglesMin) return undefined;
  const sketch = new Uint32Array(bins).fill(emptyBin);
  for (let i = 0; i < count; i++) {
    const hash = hashOf(words.slice(i, i + shingleWords).join(' '));
    const bin = hash % bins;
    if (hash < (sketch[bin] as number)) sketch[bin] = hash;
  }
  return sketch;
}

/** About the share of their shingles that both have, 0–1. */
export function likenessOf(a: Uint32Array, b: Uint32Array): number {
  let same = 0;
  let filled = 0;
  // By number: hundreds are compared for each document that comes.
  for (let bin = 0; bin < a.length; bin++) {
    const hash = a[bin];
    if (hash === emptyBin && b[bin] === emptyBin) continue;
    filled += 1;
    if (hash === b[bin]) same += 1;
  }
  return filled === 0 ? 0 : same / filled;
}

/** FNV-1a, and MurmurHash3's finish, so that each of its bits depends on all of the text. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
