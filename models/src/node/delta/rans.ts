// A range asymmetric numeral system (rANS; J. Duda, arXiv 1311.2540; in the form of F. Giesen, "Interleaved entropy
// coders", arXiv 1402.3392): an entropy coder near the entropy at the speed of a table look-up. Frequencies are static
// and sent ahead, one table a context, so that a context may be anything which the decoder already knows.

export const scaleBits = 14;
const scale = 1 << scaleBits;
const low = 1 << 15;
const wordBits = 16;
/** Words that are made room for at a time. */
const chunkWords = 32_768;

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

/** @param symbolAt of a place, with its context above it; asked from the last on */
export function ransEncode(
  length: number,
  symbolAt: (place: number) => number,
  frequencies: Frequencies,
): Uint8Array {
  const start = starts(frequencies);
  // Filled from the end, as they are made: of most deltas there are far fewer than one a symbol.
  const full: Uint16Array[] = [];
  let words = new Uint16Array(chunkWords);
  let at = words.length;
  let state = low;
  for (let i = length - 1; i >= 0; i--) {
    const s = symbolAt(i);
    const frequency = frequencies[s] as number;
    if (frequency === scale) continue;
    if (state >= frequency << 17) {
      if (at === 0) {
        full.unshift(words);
        words = new Uint16Array(chunkWords);
        at = words.length;
      }
      words[--at] = state;
      state >>>= wordBits;
    }
    const quotient = (state / frequency) | 0;
    state = (quotient << scaleBits) + (state - quotient * frequency) + (start[s] as number);
  }
  const last = Uint16Array.of(state >>> wordBits, state);
  return littleEndian([last, words.subarray(at), ...full]);
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

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function littleEndian(parts: readonly Uint16Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  if (isLittleEndian) return bytes;
  for (let i = 0; i < bytes.length; i += 2) {
    const [first = 0, second = 0] = [bytes[i], bytes[i + 1]];
    bytes[i] = second;
    bytes[i + 1] = first;
  }
  return bytes;
}
