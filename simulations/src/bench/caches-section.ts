// What the library's caches save, and whether look-alikes may be trusted.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCranfield } from './cranfield.ts';
import { intentsFile } from './intents.ts';
import type { Bench } from './sections.ts';
import { number, ratio, renderTable } from './table.ts';

const embedder = fileURLToPath(new URL('../../../.skerry/ask/minilm-l6-int8', import.meta.url));
const similarities = [0.8, 0.9, 0.95];

export async function cachesSection(bench: Bench): Promise<string> {
  if (!existsSync(embedder))
    return `Caches\nskipped (2 cases): npm run models -- embedder minilm-l6-int8 --out ${embedder}`;
  return [await costs(bench), await falseHits(bench)].join('\n\n');
}

async function costs({ measure, effort, onCase, workload }: Bench): Promise<string> {
  const { documents, questions } = effort.caches;
  const title = `A question to ${documents} abstracts of Cranfield, MiniLM int8 on one thread, ms, median of ${questions}`;
  if ((await readCranfield()) === undefined)
    return `${title}\nskipped (1 case): needs ../shared/data/retrieval`;
  onCase('caches: costs');
  const file = join(workload.folder, 'caches.db');
  const figures = await measure('cache-costs', { embedder, file, documents, questions });
  const row = (name: string, ms: number): string[] => [name, number(ms), ratio(ms / figures.plain)];
  const percent = (share: number): string => `${number(100 * share)} %`;
  return [
    title,
    renderTable(
      ['', 'ms', 'of the whole way'],
      [
        row('the whole way, nothing remembered', figures.plain),
        row('asked first, sentences of others’ answers remembered', figures.first),
        row('its vectors remembered, its answer not', figures.vectorsRemembered),
        row('the same question', figures.exact),
        row('a look-alike', figures.semantic),
      ],
    ),
    `${figures.passages} passages; of a new question’s sentences ${percent(figures.sentencesRemembered)} were remembered; ${percent(figures.semanticHits)} of the look-alikes were served`,
  ].join('\n');
}

async function falseHits({ measure, effort, onCase }: Bench): Promise<string> {
  const { each } = effort.caches;
  const title = `Look-alikes of CLINC150’s sentences, ${each} of each intent: nearer than a cosine, and of them with the same words of meaning`;
  if (intentsFile() === undefined)
    return `${title}\nskipped (1 case): needs ../shared/data/intents`;
  onCase('caches: look-alikes');
  const rows = await measure('look-alikes', { embedder, each, similarities });
  const percent = (share: number): string => `${(100 * share).toPrecision(2)} %`;
  return [
    title,
    renderTable(
      [
        'pairs',
        'of them',
        ...similarities.flatMap((min) => [`≥ ${min}`, 'and words']),
        'served, exact 95 %',
      ],
      rows.map(({ name, pairs, near, served, lower, upper }) => [
        name,
        String(pairs),
        ...similarities.flatMap((_, i) => [String(near[i]), String(served[i])]),
        `${percent(lower)} to ${percent(upper)}`,
      ]),
    ),
    'The first four must not be served. Bounds are as if pairs were independent, which those of the first row are not.',
  ].join('\n');
}
