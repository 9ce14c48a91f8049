// The parts of RFC 9110 §14 that a blob needs: which bytes a GET asks for, and which a PUT brings.

export interface ByteSpan {
  readonly offset: number;
  readonly length: number;
}

/**
 * What a `Range` of a representation of `bytes` asks for. `whole` also for what the RFC lets a server ignore: an
 * unknown unit, bad syntax, or several ranges (§14.2: whoever needs two asks twice, and nobody can ask for a thousand).
 */
export function parseRange(
  header: string | undefined,
  bytes: number,
): ByteSpan | 'whole' | 'unsatisfiable' {
  // §14.1.1: int-range "first-[last]", or suffix-range "-length". The unit is case-insensitive (§14.1).
  const [, first, last] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), bytes);
    return length === 0 ? 'unsatisfiable' : { offset: bytes - length, length };
  }
  const offset = Number(first);
  const end = last === '' ? bytes - 1 : Number(last);
  if (end < offset && last !== '') return 'whole'; // §14.1.1: such a range is invalid, not unsatisfiable.
  if (offset >= bytes) return 'unsatisfiable';
  return { offset, length: Math.min(end, bytes - 1) - offset + 1 };
}

/** What a PUT with `Content-Range: bytes first-last/complete` brings; `undefined` where it says nothing of sense. */
export function parseContentRange(header: string): (ByteSpan & { bytes: number }) | undefined {
  const [, first, last, complete] =
    /^bytes[ \t]+(\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(header) ?? [];
  if (first === undefined) return undefined;
  const [offset, end, bytes] = [Number(first), Number(last), Number(complete)];
  if (end < offset || end >= bytes) return undefined; // §14.4
  return { offset, length: end - offset + 1, bytes };
}
