// How well a library finds, on collections whose answers are known, beside the figures of the same files measured elsewhere.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readCranfield } from './cranfield.ts';
import { intentsFile } from './intents.ts';
import type { Bench } from './sections.ts';
import { number, renderTable } from './table.ts';

const folderOf = (name: string): string =>
  fileURLToPath(new URL(`../../../.skerry/ask/${name}`, import.meta.url));
const device = folderOf('minilm-l6-int8');
const depot = folderOf('gte-small');
const shots = 20;

export async function retrievalSection({ measure, onCase }: Bench): Promise<string> {
  if (!existsSync(device))
    return `Retrieval\nskipped (2 cases): npm run models -- embedder minilm-l6-int8 --out ${device}`;
  return [await cranfield(measure, onCase), await clinc(measure, onCase)].join('\n\n');
}

async function cranfield(measure: Bench['measure'], onCase: Bench['onCase']): Promise<string> {
  const title = 'Cranfield: 1 400 abstracts, 225 questions, nDCG@10';
  if ((await readCranfield()) === undefined)
    return `${title}\nskipped (1 case): needs ../shared/data/retrieval`;
  onCase('retrieval: Cranfield');
  const reranker = existsSync(depot) ? depot : undefined;
  const figures = await measure('retrieval', { embedder: device, reranker });
  const { words, vectors, hybrid, reranked, passages, passagesPerSecond, embeddedAgain } = figures;
  const turned = await measure('retrieval', { embedder: device, chunking: 'semantic' });
  const rows = [
    ['words: BM25', words.toFixed(3), turned.words.toFixed(3), '.360'],
    ['vectors: MiniLM int8', vectors.toFixed(3), turned.vectors.toFixed(3), '.392'],
    ['both', hybrid.toFixed(3), turned.hybrid.toFixed(3), '.421'],
    [
      'both, the best twenty ranked again by gte-small',
      reranked?.toFixed(3) ?? 'skipped: no gte-small',
      '',
      '.432',
    ],
    ['passages', String(passages), String(turned.passages), ''],
    ['a second', number(passagesPerSecond), number(turned.passagesPerSecond), ''],
  ];
  return [
    title,
    renderTable(['', 'here', 'cut also where the meaning turns', 'published'], rows),
    `${passages} passages taken in, ${number(passagesPerSecond)} a second on one thread; ${embeddedAgain} embedded again the second time`,
  ].join('\n');
}

async function clinc(measure: Bench['measure'], onCase: Bench['onCase']): Promise<string> {
  const title = `CLINC150: 150 intents, ${shots} sentences of each known, MiniLM int8`;
  if (intentsFile() === undefined)
    return `${title}\nskipped (1 case): needs ../shared/data/intents`;
  onCase('retrieval: CLINC150');
  const { accuracy, outOfScopeAuroc } = await measure('intents', { embedder: device, shots });
  const rows = [
    ['accuracy', accuracy.toFixed(3), '.886'],
    ['AUROC of what is out of scope', outOfScopeAuroc.toFixed(3), '.965'],
  ];
  return [title, renderTable(['', 'here', 'published'], rows)].join('\n');
}
