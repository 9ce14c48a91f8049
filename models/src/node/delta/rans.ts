// A range asymmetric numeral system (rANS; J. Duda, arXiv 1311.2540; in the form of F. Giesen, "Interleaved entropy
// coders", arXiv 1402.3392): an entropy coder near the entropy at the speed of a table look-up. Frequencies are static
// and sent ahead, one table a context, so that a context may be anything which the decoder already knows.

export const scaleBits = 14;
const scale = 1 << scaleBits;
const low = 1 << 15;
const wordBits = 16;

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

function starts(frequencies: Frequencies): Uint16Array {
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

/** @param contexts of each symbol; none: all of context 0 */
export function ransEncode(
  symbols: Uint8Array,
  contexts: Uint8Array | undefined,
  frequencies: Frequencies,
): Uint8Array {
  const start = starts(frequencies);
  // A symbol of frequency 1 takes 14 bits, so one word a symbol is ample; the state takes two more.
  const words = new Uint16Array(symbols.length + 2);
  let at = words.length;
  let state = low;
  for (let i = symbols.length - 1; i >= 0; i--) {
    const s = (contexts === undefined ? 0 : (contexts[i] as number) << 8) | (symbols[i] as number);
    const frequency = frequencies[s] as number;
    if (frequency === scale) continue;
    if (state >= frequency << 17) {
      words[--at] = state & 0xffff;
      state >>>= wordBits;
    }
    const quotient = (state / frequency) | 0;
    state = (quotient << scaleBits) + (state - quotient * frequency) + (start[s] as number);
  }
  words[--at] = state & 0xffff;
  words[--at] = state >>> wordBits;
  return littleEndian(words.subarray(at));
}

/** Each symbol as it is decoded, so that the next context may follow from it. */
export interface RansDecoder {
  next(context: number): number;
  /** Whether more was read than there is: then what `next` gave is nothing. */
  exhausted(): boolean;
}

export function ransDecoder(bytes: Uint8Array, frequencies: Frequencies): RansDecoder {
  const start = starts(frequencies);
  const contexts = frequencies.length / 256;
  const symbolAt = new Uint8Array(contexts * scale);
  for (let s = 0; s < frequencies.length; s++) {
    const from = ((s >> 8) << scaleBits) + (start[s] as number);
    symbolAt.fill(s & 255, from, from + (frequencies[s] as number));
  }
  const words = bytes.length >> 1;
  let at = 0;
  const word = (): number => {
    const value = ((bytes[2 * at + 1] ?? 0) << 8) | (bytes[2 * at] ?? 0);
    at++;
    return value;
  };
  let state = (word() << wordBits) | word();
  return {
    next(context) {
      const slot = state & (scale - 1);
      const symbol = symbolAt[(context << scaleBits) | slot] as number;
      const s = (context << 8) | symbol;
      state = (frequencies[s] as number) * (state >>> scaleBits) + slot - (start[s] as number);
      if (state < low) state = (state << wordBits) | word();
      return symbol;
    },
    exhausted: () => at > words,
  };
}

/** As it lies in memory on every machine that Node runs on, but one. */
function littleEndian(words: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 2);
  for (let i = 0; i < words.length; i++) {
    bytes[2 * i] = (words[i] as number) & 255;
    bytes[2 * i + 1] = (words[i] as number) >>> 8;
  }
  return bytes;
}
