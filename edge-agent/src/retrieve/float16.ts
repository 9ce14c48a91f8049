// Vectors in IEEE 754 half precision: of unit vectors it keeps the order of all but ties, in half the bytes.

const decoded = new Float32Array(65_536);
for (let bits = 0; bits < decoded.length; bits++) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  decoded[bits] =
    exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

/** Of what is finite and below 65 520: rounds to the nearest, ties to even. */
export function toFloat16(vector: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(new Float32Array(vector).buffer);
  const halves = new Uint16Array(vector.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] as number;
    const sign = (value >>> 16) & 0x8000;
    const exponent = ((value >>> 23) & 0xff) - 112;
    const fraction = value & 0x7fffff;
    if (exponent > 0) halves[i] = sign | rounded((exponent << 23) | fraction, 13);
    else if (exponent >= -10) halves[i] = sign | rounded(fraction | 0x800000, 14 - exponent);
    else halves[i] = sign;
  }
  return halves;
}

function rounded(value: number, bits: number): number {
  const low = value & ((1 << bits) - 1);
  const half = 1 << (bits - 1);
  const high = value >>> bits;
  return low > half || (low === half && (high & 1) === 1) ? high + 1 : high;
}

/** Σ query · halves, from `at` on. */
export function dotFloat16(query: Float32Array, halves: Uint16Array, at: number): number {
  let sum = 0;
  for (let d = 0; d < query.length; d++)
    sum += (query[d] as number) * (decoded[halves[at + d] as number] as number);
  return sum;
}

export function fromFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) vector[i] = decoded[halves[i] as number] as number;
  return vector;
}
