// JSON of which there is one form (RFC 8785): what is hashed is the same wherever it is written.

export const canonicalJson = (value: unknown): string => JSON.stringify(sorted(value));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).filter(([, each]) => each !== undefined);
  // As RFC 8785 §3.2.3 has it: by UTF-16 units.
  pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(pairs.map(([key, each]) => [key, sorted(each)]));
}
