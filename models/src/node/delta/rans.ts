// A range asymmetric numeral system (rANS; J. Duda, arXiv 1311.2540; in the form of F. Giesen, "Interleaved entropy
// coders", arXiv 1402.3392): an entropy coder near the entropy at the speed of a table look-up. Frequencies are static
// and sent ahead, one table a context, so that a context may be anything which the decoder already knows.

export const scaleBits = 14;
export const scale = 1 << scaleBits;
export const lowestState = 1 << 15;
/** Coders that take turns, symbol by symbol, so that none waits for the one before it. */
export const encodedStates = 4;

/** One table a context; each sums to `scale`, or to 0 where the context never occurs. */
export type Frequencies = Uint16Array;

/** Counts to frequencies, in place order; every symbol that occurs keeps at least 1. */
export function normalise(counts: Uint32Array, contexts: number): Frequencies {
  const out = new Uint16Array(contexts * 256);
  for (let c = 0; c < contexts; c++) normaliseOne(counts, out, c * 256);
  return out;
}

function normaliseOne(counts: Uint32Array, out: Frequencies, at: number): void {
  let total = 0;
  let largest = at;
  for (let s = at; s < at + 256; s++) {
    total += counts[s] as number;
    if ((counts[s] as number) > (counts[largest] as number)) largest = s;
  }
  if (total === 0) return;
  let sum = 0;
  for (let s = at; s < at + 256; s++) {
    const count = counts[s] as number;
    if (count === 0) continue;
    const frequency = Math.max(1, Math.round((count / total) * scale));
    out[s] = frequency;
    sum += frequency;
  }
  // What rounding has left over is taken from the frequent, where it costs least.
  for (let over = sum - scale; over !== 0; over = sum - scale) {
    if (over < 0 || (out[largest] as number) > over) {
      out[largest] = (out[largest] as number) - over;
      break;
    }
    for (let s = at; s < at + 256 && sum > scale; s++)
      if ((out[s] as number) > 1) {
        out[s] = (out[s] as number) - 1;
        sum--;
      }
  }
}

/** Bits that `counts` take under their own frequencies. */
export function entropyBits(counts: Uint32Array, contexts: number): number {
  let bits = 0;
  for (let c = 0; c < contexts; c++) {
    let total = 0;
    for (let s = c * 256; s < c * 256 + 256; s++) total += counts[s] as number;
    if (total === 0) continue;
    for (let s = c * 256; s < c * 256 + 256; s++) {
      const count = counts[s] as number;
      if (count > 0) bits -= count * Math.log2(count / total);
    }
  }
  return bits;
}

/** Of each symbol, the sum of the frequencies before it in its context. */
export function starts(frequencies: Frequencies): Uint16Array {
  const out = new Uint16Array(frequencies.length);
  for (let c = 0; c < frequencies.length; c += 256) {
    let sum = 0;
    for (let s = c; s < c + 256; s++) {
      out[s] = sum;
      sum += frequencies[s] as number;
    }
  }
  return out;
}
