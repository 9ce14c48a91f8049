// Weak or strong, decided from the question alone: our text router on recorded answers, beside chance and the best there is.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Bench } from './sections.ts';
import { renderTable } from './table.ts';

/** Beside the repository, where the data of the experiments lies; never needed to run. */
const file = fileURLToPath(
  new URL('../../../../shared/data/routing/gsm8k-responses.csv', import.meta.url),
);

export async function routingSection({ measure, effort, onCase }: Bench): Promise<string> {
  if (!existsSync(file)) return '1 replay skipped, GSM8K routing: its recorded answers are missing';
  onCase('routing');
  const found = await measure('routing', { file, repeats: effort.routingRepeats });
  const percent = (share: number): string => (100 * share).toFixed(2);
  return [
    `GSM8K, ${found.questions} questions that two models have answered: weak ${percent(found.ends.weak)} %, strong ${percent(found.ends.strong)} %, ` +
      `oracle ${percent(found.oracle)} % at ${percent(found.oracleCalls)} % strong calls`,
    `APGR and CPT as RouteLLM defines them; 10-fold cross-validation, ${effort.routingRepeats} times`,
    renderTable(
      ['', 'APGR', '±', 'CPT(50 %)', 'CPT(80 %)'],
      found.rows.map((row) => [
        row.name,
        row.gapRecovered.toFixed(3),
        row.deviation.toFixed(3),
        `${(100 * row.callsFor50).toFixed(1)} %`,
        `${(100 * row.callsFor80).toFixed(1)} %`,
      ]),
    ),
    'With a threshold by learn-then-test (δ = 0.1) on questions that trained nothing; loss: only the strong model is right',
    renderTable(
      ['loss at most', 'strong calls', 'by chance, as sure', 'accuracy', 'loss seen'],
      found.bounded.map((row) => [
        `${100 * row.epsilon} %`,
        `${percent(row.strongShare)} %`,
        `${percent(row.strongShareByChance)} %`,
        `${percent(row.accuracy)} %`,
        `${percent(row.lossMean)} %`,
      ]),
    ),
  ].join('\n');
}
