// Cranfield (Cleverdon, 1967): 1 400 abstracts on aerodynamics, 225 questions, and which abstracts answer them. All of the
// judgements' codes 1 to 4 count as relevant, as the figures beside ours have it.

import { readFile } from 'node:fs/promises';
import { sharedData } from './shared-data.ts';

export interface Cranfield {
  readonly documents: readonly {
    readonly id: string;
    readonly title: string;
    readonly text: string;
  }[];
  readonly questions: readonly { readonly text: string; readonly relevant: ReadonlySet<string> }[];
}

/** Undefined where it is not there. */
export async function readCranfield(): Promise<Cranfield | undefined> {
  const [documents, questions, judgements] = ['cran.all.1400', 'cran.qry', 'cranqrel'].map((name) =>
    sharedData(`retrieval/${name}`),
  );
  if (!documents || !questions || !judgements) return undefined;
  const relevant = new Map<number, Set<string>>();
  for (const line of (await read(judgements)).trim().split('\n')) {
    const [question = 0, document, code = 0] = line.trim().split(/\s+/).map(Number);
    if (code < 1 || code > 4) continue;
    relevant.set(question, (relevant.get(question) ?? new Set()).add(String(document)));
  }
  return {
    documents: records(await read(documents)).map((record) => ({
      id: String(Number.parseInt(record, 10)),
      title: field(record, 'T'),
      text: field(record, 'W'),
    })),
    // The judgements count questions by their order.
    questions: records(await read(questions)).map((record, i) => ({
      text: field(record, 'W'),
      relevant: relevant.get(i + 1) ?? new Set(),
    })),
  };
}

const read = async (path: string): Promise<string> =>
  (await readFile(path, 'utf8')).replaceAll('\r', '');
const records = (text: string): readonly string[] => text.split(/^\.I /m).slice(1);
const field = (record: string, name: string): string =>
  (
    new RegExp(`^\\.${name}\\n([\\s\\S]*?)(?=^\\.[A-Z]\\n|$(?![\\s\\S]))`, 'm').exec(record)?.[1] ??
    ''
  )
    .replace(/\s+/g, ' ')
    .trim();

/** Gains of 1; the ideal is all that are relevant, first. */
export function ndcgAt(
  ranked: readonly string[],
  relevant: ReadonlySet<string>,
  count: number,
): number {
  const gain = (i: number): number => 1 / Math.log2(i + 2);
  const got = ranked
    .slice(0, count)
    .reduce((sum, id, i) => sum + (relevant.has(id) ? gain(i) : 0), 0);
  let ideal = 0;
  for (let i = 0; i < Math.min(count, relevant.size); i++) ideal += gain(i);
  return ideal === 0 ? 0 : got / ideal;
}
