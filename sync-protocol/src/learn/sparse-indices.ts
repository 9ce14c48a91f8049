// Which numbers of a vector are the largest, and how the gaps between them are written.

/** Of a gap below 2³². */
export const varintBytesMax = 5;

/** Indices, ascending, of at most `count` numbers of the largest magnitude; of equal ones the first, and never a 0. */
export function selectLargest(vector: Float32Array, count: number): readonly number[] {
  const sizes = vector.map(Math.abs).sort();
  const least = sizes[sizes.length - count] as number;
  let above = 0;
  for (let i = sizes.length - 1; i >= 0 && (sizes[i] as number) > least; i--) above++;
  let equal = least === 0 ? 0 : count - above;
  const indices: number[] = [];
  for (let i = 0; i < vector.length; i++) {
    const size = Math.abs(vector[i] as number);
    if (size > least) indices.push(i);
    else if (size === least && equal > 0) {
      indices.push(i);
      equal--;
    }
  }
  return indices;
}

/** LEB128. */
export function writeVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
}

/** `undefined` where the bytes end, where it is too long, and for a long form of a small number. */
export function readVarint(
  bytes: Uint8Array,
  from: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let i = 0; i < varintBytesMax; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value += (byte % 128) * 128 ** i;
    if (byte < 128) return byte === 0 && i > 0 ? undefined : { value, end: from + i + 1 };
  }
  return undefined;
}
