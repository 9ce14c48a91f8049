// A delegation's path patterns (TUF specification §4.5): `*` is any run of characters and `?` one, never a slash.

export function matchesPattern(path: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replaceAll('?', '[^/]');
  return new RegExp(`^${source}$`).test(path);
}
