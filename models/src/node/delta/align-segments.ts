// A target file cut into segments, each with the stretch of the base that it most likely came from: tensors by name,
// and what lies between them by its neighbour.

import { tensorBytesMin } from './delta-format.ts';
import { type Element, type TensorRange, tensorRanges } from './tensor-ranges.ts';

export interface Segment {
  readonly offset: number;
  readonly length: number;
  /** Absent: it has nothing in common with the base. */
  readonly baseOffset?: number;
  /** Absent: structure, or a tensor too small for tables of its own. */
  readonly tensor?: { readonly element: Element; readonly rowElements: number };
}

/** They cover the target, in its order. Without a base each stands alone. */
export function alignSegments(target: Uint8Array, base?: Uint8Array): readonly Segment[] {
  const ours = tensorRanges(target);
  const theirs = base === undefined ? [] : tensorRanges(base);
  const find = finder(theirs);
  const segments: Segment[] = [];
  let at = 0;
  for (const range of ours) {
    const match = find(range);
    const before = match === undefined ? undefined : endBefore(theirs, match);
    push(segments, at, range.offset - at, match && before, match?.offset);
    const { offset, length, element, rowElements } = range;
    segments.push({
      offset,
      length,
      ...(match === undefined ? {} : { baseOffset: match.offset }),
      ...(length < tensorBytesMin ? {} : { tensor: { element, rowElements } }),
    });
    at = offset + length;
  }
  const last = theirs.at(-1);
  const rest = base === undefined ? undefined : last === undefined ? 0 : last.offset + last.length;
  push(segments, at, target.length - at, rest, base?.length);
  return segments.filter(({ length }) => length > 0);
}

/** Structure, set against the base's where that is as long. */
function push(
  segments: Segment[],
  offset: number,
  length: number,
  baseFrom: number | undefined,
  baseTo: number | undefined,
): void {
  const isAlike = baseFrom !== undefined && baseTo !== undefined && baseTo - baseFrom === length;
  segments.push({ offset, length, ...(isAlike ? { baseOffset: baseFrom } : {}) });
}

const endBefore = (ranges: readonly TensorRange[], range: TensorRange): number => {
  const before = ranges[ranges.indexOf(range) - 1];
  return before === undefined ? 0 : before.offset + before.length;
};

/** The base's tensor of the same name, form and size; of one that was renamed, the next of its form. */
function finder(theirs: readonly TensorRange[]) {
  const keyOf = ({ element, length, rowElements }: TensorRange): string =>
    `${element} ${length} ${rowElements}`;
  const byName = new Map(theirs.map((range) => [`${range.name} ${keyOf(range)}`, range]));
  const byForm = new Map<string, TensorRange[]>();
  for (const range of theirs) {
    const key = keyOf(range);
    const list = byForm.get(key) ?? [];
    byForm.set(key, list);
    list.push(range);
  }
  return (range: TensorRange): TensorRange | undefined => {
    const key = keyOf(range);
    const named = byName.get(`${range.name} ${key}`);
    const list = byForm.get(key);
    const found = named ?? list?.[0];
    if (found !== undefined && list !== undefined) list.splice(list.indexOf(found), 1);
    return found;
  };
}
