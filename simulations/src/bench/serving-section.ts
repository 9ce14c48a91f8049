// What batching is worth: the most requests a second that one coordinator answers with the 99th percentile in bounds.

import type { ServingLoad } from './measurements/serving-load.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

const p99MsMax = 50;
const batchRowsMax = 32;

const batchings = {
  'one row a run': { batchRowsMax: 1, batchDelayMs: 0 },
  [`batches of up to ${batchRowsMax}, no delay`]: { batchRowsMax, batchDelayMs: 0 },
  [`batches of up to ${batchRowsMax}, 2 ms delay`]: { batchRowsMax, batchDelayMs: 2 },
};

export async function servingSection(bench: Bench): Promise<string> {
  const { digits, model5ms } = bench.workload;
  const { firstPerSecond } = bench.effort.serving;
  return [
    `Requests a second that one coordinator answers with p99 ≤ ${p99MsMax} ms; it and its clients share these cores; ` +
      `medians of ${bench.effort.serving.rounds} rounds, to a tenth`,
    await table(bench, 'digits', digits, firstPerSecond.digits),
    await table(bench, 'model-5ms', model5ms, firstPerSecond.model5ms),
  ].join('\n');
}

async function table(
  bench: Bench,
  model: string,
  bundle: string,
  firstPerSecond: number,
): Promise<string> {
  const { folder, images } = bench.workload;
  const { rounds, mostPerSecond, windowMs, triesMax } = bench.effort.serving;
  const last = new Map<string, number>();
  const cases = Object.entries(batchings).map(([name, batching]) => {
    const search = async (): Promise<ServingLoad> => {
      // From near where the round before has ended: the first finds the magnitude, the others save its tries.
      const first = Math.max(1, Math.round(0.8 * (last.get(name) ?? firstPerSecond / 0.8)));
      const found = await bench.measure('serving-load', {
        ...{ folder, bundle, model, images, p99MsMax },
        ...batching,
        ...{ firstPerSecond: first, mostPerSecond, windowMs, triesMax },
      });
      if (found.perSecond > 0) last.set(name, found.perSecond);
      return found;
    };
    return [name, search] as const;
  });
  const found: Readonly<Record<string, readonly ServingLoad[]>> = await inRounds(
    rounds,
    Object.fromEntries(cases),
    (name) => bench.onCase(`serving ${model}, ${name}`),
  );
  const perSecond = (loads: readonly ServingLoad[]) => loads.map((load) => load.perSecond);
  const baseline = perSecond(Object.values(found)[0] ?? []);
  return renderTable(
    [model, 'requests/s', 'over one row', 'average batch', 'p50 ms', 'p99 ms', 'each round'],
    Object.entries(found).map(([name, loads]) => {
      const middle = (of: (load: ServingLoad) => number) => number(median(loads.map(of)));
      return [
        name,
        number(median(perSecond(loads))),
        ratio(medianRatio(perSecond(loads), baseline)),
        middle(({ averageBatch }) => averageBatch),
        middle(({ p50Ms }) => p50Ms),
        middle(({ p99Ms }) => p99Ms),
        perSecond(loads).join(' '),
      ];
    }),
  );
}
