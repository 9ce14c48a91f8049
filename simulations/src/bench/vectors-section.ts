// The engines of a library's vectors, and two that are not ours, over the same vectors.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type EngineName,
  type VectorEngineFigures,
  vectorEngines,
} from './measurements/vector-engine.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

const dimensions = 384;
const plain: EngineName = 'plain sqlite-vec';

export async function vectorsSection({
  measure,
  effort,
  onCase,
  workload,
}: Bench): Promise<string> {
  const { vectors, queries, rounds } = effort.vectors;
  const file = join(workload.folder, 'vectors.collection');
  const measured = await inRounds<Record<EngineName, VectorEngineFigures>>(
    rounds,
    Object.fromEntries(
      vectorEngines.map((engine) => [
        engine,
        () => measure('vector-engine', { engine, vectors, dimensions, queries, file }),
      ]),
    ) as Record<EngineName, () => Promise<VectorEngineFigures>>,
    (name) => onCase(`vectors: ${name}`),
  );
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  const of = (engine: EngineName, figure: (each: VectorEngineFigures) => number) =>
    measured[engine].map(figure);
  const rows = vectorEngines.map((engine) => {
    const p50s = of(engine, ({ dense }) => dense.p50Ms);
    const hybrid = of(engine, (each) => each.hybrid?.p50Ms ?? Number.NaN);
    const hybridP99 = of(engine, (each) => each.hybrid?.p99Ms ?? Number.NaN);
    return [
      engine,
      number(median(p50s)),
      number(median(of(engine, ({ dense }) => dense.p99Ms))),
      ratio(
        medianRatio(
          p50s,
          of(plain, ({ dense }) => dense.p50Ms),
        ),
      ),
      hybrid.some(Number.isNaN) ? '' : `${number(median(hybrid))} / ${number(median(hybridP99))}`,
      median(of(engine, ({ recall }) => recall)).toFixed(3),
      number(median(of(engine, ({ insertsPerSecond }) => insertsPerSecond))),
      number(median(of(engine, ({ fileMiB }) => fileMiB))),
      number(median(of(engine, ({ residentMiB }) => residentMiB))),
    ];
  });
  return [
    `${vectors} vectors × ${dimensions}, clustered; ours hold passages of thirty words too, and write them in the same transaction`,
    renderTable(
      [
        '',
        'p50 ms',
        'p99 ms',
        'of plain',
        'hybrid p50 / p99',
        'recall@10',
        'rows/s',
        'file MiB',
        'memory MiB',
      ],
      rows,
    ),
  ].join('\n');
}
