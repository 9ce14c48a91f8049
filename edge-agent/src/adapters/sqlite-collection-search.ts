// What a collection's file is asked: by words, by vectors, and for single passages. A reader's terms are conditions of the
// same statement that ranks, so that what it may not read takes no place; where nothing is restricted they are not asked.

import { assert, defined } from '@skerry/shared';
import type Database from 'better-sqlite3';
import type {
  CollectionFile,
  CollectionFilter,
  CollectionStats,
} from '../retrieve/collection-file.ts';
import type { Ranked } from '../retrieve/fuse-ranks.ts';
import { allWords, planWords, quoted, type WordsQuery } from '../retrieve/match-query.ts';
import type { Passage } from '../retrieve/passage.ts';
import type { VectorIndex } from '../retrieve/vector-index.ts';

/** Whose counts are kept. */
const countedWordsMax = 10_000;

interface PassageRow extends Omit<Passage, 'collection' | 'page' | 'source'> {
  readonly source: string | null;
  readonly pages: string | null;
}

/** Conditions on `document`; one that is null is none. */
export const mayRead = `(@principals IS NULL OR document.readers IS NULL OR EXISTS (
    SELECT 1 FROM json_each(document.readers) WHERE value IN (SELECT value FROM json_each(@principals))))
  AND (@uri IS NULL OR document.uri = @uri)
  AND (@language IS NULL OR document.language = @language)
  AND (@meta IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(@meta) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM json_each(document.meta) AS has WHERE has.key = wanted.key AND has.value = wanted.value)))`;

export type Conditions = Readonly<
  Record<'principals' | 'uri' | 'language' | 'meta', string | null>
>;

export const conditionsOf = ({
  principals,
  uri,
  language,
  meta,
}: CollectionFilter): Conditions => ({
  principals: principals === 'all' ? null : JSON.stringify(principals),
  uri: uri ?? null,
  language: language ?? null,
  meta: meta === undefined ? null : JSON.stringify(meta),
});

export function createSqliteSearch(
  database: Database.Database,
  name: string,
  indexNow: () => VectorIndex | undefined,
): Pick<
  CollectionFile,
  | 'searchWords'
  | 'searchVectors'
  | 'countWords'
  | 'passages'
  | 'textAt'
  | 'sampleDocuments'
  | 'revision'
  | 'stats'
> {
  const statements = prepareSearch(database);
  const counts = createCounts(statements);

  /** Undefined: everybody may read all that there is, and all of it is asked for. */
  const narrowing = (filter: CollectionFilter): Conditions | undefined => {
    const { uri, language, meta } = filter;
    const isFiltered = uri !== undefined || language !== undefined || meta !== undefined;
    const isRestricted = filter.principals !== 'all' && statements.restricted.get() === 1;
    return isFiltered || isRestricted ? conditionsOf(filter) : undefined;
  };

  const passageOf = ({ pages, source, ...rest }: PassageRow): Passage => {
    const page = pages === null ? undefined : pageAt(JSON.parse(pages) as number[], rest.start);
    return {
      ...rest,
      collection: name,
      ...(page === undefined ? {} : { page }),
      ...(source === null ? {} : { source }),
    };
  };

  return {
    searchWords(words, count, filter) {
      const conditions = narrowing(filter);
      const run = ({ match, scale }: WordsQuery): readonly Ranked[] =>
        conditions === undefined
          ? statements.words.all({ match, scale, count })
          : statements.wordsAmong.all({ match, scale, count, ...conditions });
      const { passages } = counts.stats();
      const plan = planWords(words, words.map(counts.ofWord), { passages, wanted: count });
      const found = run(plan);
      // Of what the reader may not read, or what has several of the words, there were fewer than counted.
      return plan.isPartial && found.length < count ? run(allWords(words)) : found;
    },
    searchVectors(query, count, filter) {
      const index = indexNow();
      assert(index !== undefined, 'a collection with vectors');
      const conditions = narrowing(filter);
      if (conditions === undefined) return index.search(query, count);
      return index.search(query, count, new Set(statements.allowed.all(conditions)));
    },
    countWords(words, filter) {
      const conditions = narrowing(filter);
      if (conditions === undefined)
        return { counts: words.map(counts.ofWord), passages: counts.stats().passages };
      const count = (word: string): number | undefined =>
        statements.countWordAmong.get({ match: quoted(word), ...conditions });
      return {
        counts: words.map((word) => count(word) ?? 0),
        passages: defined(statements.countAmong.get(conditions), 'a count'),
      };
    },
    passages(ids, filter) {
      const conditions = conditionsOf(filter);
      const rows = ids.map((id) => statements.passage.get({ id, ...conditions }));
      return rows.flatMap((row) => (row === undefined ? [] : [passageOf(row)]));
    },
    textAt(uri, start, end) {
      const rows = statements.around.all(uri, end, start);
      const [first] = rows;
      if (first === undefined || first.start > start) return undefined;
      const text = rows
        .map((row) => row.text)
        .join('')
        .slice(start - first.start, end - first.start);
      const { digest, version, id: passage } = first;
      return text.length === end - start ? { digest, version, passage, text } : undefined;
    },
    sampleDocuments: (count) => statements.sample.all(count),
    revision: counts.revision,
    stats(filter) {
      const all = counts.stats();
      const conditions = filter && narrowing(filter);
      if (conditions === undefined) return all;
      return { ...all, ...defined(statements.statsAmong.get(conditions), 'counts') };
    },
  };
}

/** Counted once in each state of the collection: to count takes as long as to search. */
function createCounts(statements: ReturnType<typeof prepareSearch>) {
  let stats: CollectionStats | undefined;
  let words = new Map<string, number>();
  const revision = (): number => defined(statements.revision.get(), 'a revision');
  const statsNow = (): CollectionStats => {
    if (stats?.revision === revision()) return stats;
    words = new Map();
    stats = defined(statements.stats.get(), 'counts');
    return stats;
  };
  return {
    revision,
    stats: statsNow,
    /** Passages that have it in some form. */
    ofWord(word: string): number {
      statsNow();
      const known = words.get(word);
      if (known !== undefined) return known;
      const count = statements.countWord.get(quoted(word)) ?? 0;
      if (words.size < countedWordsMax) words.set(word, count);
      return count;
    },
  };
}

function prepareSearch(database: Database.Database) {
  // Headings count twice. Ordered by the function, and not by the column `rank`: SQLite keeps only as many as are asked for,
  // where FTS5 sorts all of them.
  const bm25 = 'bm25(word, 2.0, 1.0)';
  const words = (among: string) =>
    `SELECT word.rowid AS id, -@scale * ${bm25} AS score FROM word ${among === '' ? '' : 'JOIN passage ON passage.id = word.rowid JOIN document ON document.id = passage.document'}
     WHERE word MATCH @match ${among} ORDER BY ${bm25} LIMIT @count`;
  const passages = `SELECT passage.id, passage.ordinal, passage.start, passage."end", passage.heading, passage.text,
      document.uri, document.title, document.digest, document.version, document.trust, document.pages,
      json_extract(document.meta, '$.source') AS source
    FROM passage JOIN document ON document.id = passage.document`;
  type Match = { readonly match: string; readonly scale: number; readonly count: number };
  return {
    words: database.prepare<[Match], Ranked>(words('')),
    wordsAmong: database.prepare<[Match & Conditions], Ranked>(words(`AND ${mayRead}`)),
    // Documents first: there are fewer of them.
    allowed: database
      .prepare<[Conditions], number>(
        `SELECT passage.id FROM document CROSS JOIN passage ON passage.document = document.id
         WHERE document.current = 1 AND ${mayRead}`,
      )
      .pluck(),
    restricted: database
      .prepare<[], number>(
        'SELECT EXISTS (SELECT 1 FROM document WHERE current = 1 AND readers IS NOT NULL)',
      )
      .pluck(),
    countWord: database
      .prepare<[string], number>('SELECT count(*) FROM word WHERE word MATCH ?')
      .pluck(),
    countWordAmong: database
      .prepare<[{ readonly match: string } & Conditions], number>(
        `SELECT count(*) FROM word JOIN passage ON passage.id = word.rowid
         JOIN document ON document.id = passage.document WHERE word MATCH @match AND ${mayRead}`,
      )
      .pluck(),
    countAmong: database
      .prepare<[Conditions], number>(
        `SELECT count(*) FROM document CROSS JOIN passage ON passage.document = document.id
         WHERE document.current = 1 AND ${mayRead}`,
      )
      .pluck(),
    passage: database.prepare<[{ readonly id: number } & Conditions], PassageRow>(
      `${passages} WHERE passage.id = @id AND document.current = 1 AND ${mayRead}`,
    ),
    around: database.prepare<[string, number, number], PassageRow>(
      `${passages} WHERE document.uri = ? AND document.current = 1 AND passage.start < ? AND passage."end" > ?
       ORDER BY ordinal`,
    ),
    // Spread by Knuth's multiplicative hash: a collection's documents come by topic.
    sample: database.prepare<[number], { uri: string; title: string; text: string }>(
      `SELECT document.uri, document.title, passage.text FROM document
       JOIN passage ON passage.document = document.id AND passage.ordinal = 0
       WHERE document.current = 1 AND document.readers IS NULL
       ORDER BY (document.id * 2654435761) % 4294967296 LIMIT ?`,
    ),
    statsAmong: database.prepare<
      [Conditions],
      Pick<CollectionStats, 'documents' | 'passages' | 'vectors'>
    >(
      `SELECT count(DISTINCT document.id) AS documents, count(passage.id) AS passages, count(vector.passage) AS vectors
       FROM document CROSS JOIN passage ON passage.document = document.id
       LEFT JOIN vector ON vector.passage = passage.id WHERE document.current = 1 AND ${mayRead}`,
    ),
    revision: database.prepare<[], number>('SELECT revision FROM about').pluck(),
    stats: database.prepare<[], CollectionStats>(
      `SELECT (SELECT count(*) FROM document WHERE current = 1) AS documents,
        (SELECT count(*) FROM passage JOIN document ON document.id = passage.document WHERE current = 1) AS passages,
        (SELECT count(*) FROM vector) AS vectors, (SELECT embedder FROM about) AS embedder,
        (SELECT revision FROM about) AS revision`,
    ),
  };
}

/** From 1. */
function pageAt(pages: readonly number[], start: number): number {
  let page = 0;
  while (page < pages.length && (pages[page] as number) <= start) page++;
  return Math.max(1, page);
}
