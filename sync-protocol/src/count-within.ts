/** How many of the oldest rows fit both bounds; at least one if there is one. */
export function countWithin(
  rows: readonly { readonly bytes: number }[],
  opsMax: number,
  bytesMax: number,
): number {
  let bytes = 0;
  const end = rows.findIndex((row, i) => {
    bytes += row.bytes;
    return i >= opsMax || (i > 0 && bytes > bytesMax);
  });
  return end === -1 ? rows.length : end;
}
