// What batching is worth: the most requests a second that one coordinator answers with the 99th percentile in bounds. Of the
// rounds the best counts: what else the machine does can only lower it, and the rounds beside it say how much it did.

import type { ServingLoad } from './measurements/serving-load.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
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
      `the best of ${bench.effort.serving.rounds} rounds, to a tenth`,
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
  const best = new Map(Object.entries(found).map(([name, loads]) => [name, bestOf(loads)]));
  const [baseline] = best.values();
  return renderTable(
    [model, 'requests/s', 'over one row', 'average batch', 'p50 ms', 'p99 ms', 'each round'],
    Object.entries(found).map(([name, loads]) => {
      const rounds = loads.map((load) => load.perSecond).join(' ');
      const load = best.get(name);
      if (load === undefined) return [name, '–', '–', '–', '–', '–', rounds];
      return [
        name,
        number(load.perSecond),
        ratio(load.perSecond / (baseline?.perSecond ?? Number.NaN)),
        number(load.averageBatch),
        number(load.p50Ms),
        number(load.p99Ms),
        rounds,
      ];
    }),
  );
}

/** Undefined where no rate held in any round. */
function bestOf(loads: readonly ServingLoad[]): ServingLoad | undefined {
  const best = loads.reduce((one, other) => (other.perSecond > one.perSecond ? other : one));
  return best.perSecond === 0 ? undefined : best;
}
