// What batching is worth: the most requests a second that one coordinator answers with the 99th percentile in bounds.

import { findLargest } from './find-largest.ts';
import type { ServingLoad } from './measurements/serving-load.ts';
import type { Bench } from './sections.ts';
import { number, ratio, renderTable } from './table.ts';

const p99MsMax = 50;
const precision = 0.1;
const batchRowsMax = 32;

interface Batching {
  readonly name: string;
  readonly batchRowsMax: number;
  readonly batchDelayMs: number;
}

const batchings: readonly Batching[] = [
  { name: 'one row a run', batchRowsMax: 1, batchDelayMs: 0 },
  { name: `batches of up to ${batchRowsMax}, no delay`, batchRowsMax, batchDelayMs: 0 },
  { name: `batches of up to ${batchRowsMax}, 2 ms delay`, batchRowsMax, batchDelayMs: 2 },
];

export async function servingSection({ workload, ...bench }: Bench): Promise<string> {
  const { digits, model5ms } = workload;
  return [
    `Requests a second that one coordinator answers with p99 ≤ ${p99MsMax} ms; it and its clients share these cores`,
    await table({ ...bench, workload }, 'digits', digits),
    await table({ ...bench, workload }, 'model-5ms', model5ms),
  ].join('\n');
}

async function table(bench: Bench, model: string, bundle: string): Promise<string> {
  const { folder, images } = bench.workload;
  const { firstPerSecond, mostPerSecond, windowMs, triesMax } = bench.effort.serving;
  const best = new Map<string, ServingLoad>();
  for (const { name, ...batching } of batchings) {
    const load = async (requestsPerSecond: number): Promise<boolean> => {
      bench.onCase(`${model}, ${name}: ${requestsPerSecond}/s`);
      const options = { folder, bundle, model, images, ...batching, requestsPerSecond, windowMs };
      const result = await bench.measure('serving-load', options);
      const fits = result.p99Ms <= p99MsMax && result.refused === 0;
      if (fits && result.answeredPerSecond > (best.get(name)?.answeredPerSecond ?? 0))
        best.set(name, result);
      return fits;
    };
    await findLargest({ first: firstPerSecond, most: mostPerSecond, precision, triesMax }, load);
  }
  const baseline = best.get(batchings[0]?.name ?? '')?.answeredPerSecond ?? Number.NaN;
  return renderTable(
    [model, 'requests/s', 'over one row', 'average batch', 'p50 ms', 'p99 ms'],
    batchings.map(({ name }) => {
      const load = best.get(name);
      if (load === undefined) return [name, '–', '–', '–', '–', '–'];
      return [
        name,
        number(load.answeredPerSecond),
        ratio(load.answeredPerSecond / baseline),
        number(load.averageBatch),
        number(load.p50Ms),
        number(load.p99Ms),
      ];
    }),
  );
}
