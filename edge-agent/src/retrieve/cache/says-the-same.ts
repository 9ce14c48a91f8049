// Whether two answers say the same, as far as that can be told mechanically.

import type { CachedAnswer } from './answer-store.ts';

/** The library's own words word by word; a language model's by the passages that it cites, and its numbers. */
export function saysTheSame(a: CachedAnswer, b: CachedAnswer): boolean {
  if (oneSpaced(a.said.text) === oneSpaced(b.said.text)) return true;
  if (a.source === 'library' || b.source === 'library') return false;
  return passagesOf(a) === passagesOf(b) && numbersOf(a) === numbersOf(b);
}

const oneSpaced = (text: string): string => text.replace(/\s+/g, ' ').trim();

const passagesOf = ({ said }: CachedAnswer): string =>
  setOf(
    said.citations
      .filter(({ verified }) => verified)
      .map(({ collection, passage }) => `${collection} ${passage}`),
  );

/** But for those by which it names passages. */
const numbersOf = ({ said }: CachedAnswer): string =>
  setOf(said.text.replace(/\[\d{1,2}\]/g, '').match(/\d+(?:[.,]\d+)*/g) ?? []);

const setOf = (values: readonly string[]): string => JSON.stringify([...new Set(values)].sort());
