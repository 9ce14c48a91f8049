// What a second call is worth: the tail of two upstreams that pause now and then, with and without it.

import { percentile } from '../demo/scoreboard.ts';
import { runHedgedPool } from './hedged-pool.ts';
import type { Bench } from './sections.ts';
import { median } from './statistics.ts';
import { number, renderTable } from './table.ts';

const shares = [0, 0.01, 0.05] as const;
const calls = 5_000;

export async function hedgingSection({ effort, onCase }: Bench): Promise<string> {
  const rows: string[][] = [];
  for (const hedgeShareMax of shares) {
    onCase(`hedging, ${100 * hedgeShareMax} %`);
    const seeds = Array.from({ length: effort.rounds }, (_, i) => i + 1);
    const runs = await Promise.all(
      seeds.map((seed) => runHedgedPool({ hedgeShareMax, calls, seed })),
    );
    const middle = (share: number) =>
      number(median(runs.map(({ latenciesMs }) => percentile(latenciesMs, share))));
    const sent = median(runs.map(({ hedges }) => (100 * hedges) / calls));
    const name =
      hedgeShareMax === 0 ? 'one upstream a call' : `a second for ${100 * hedgeShareMax} % at most`;
    rows.push([name, ...[0.5, 0.95, 0.99, 0.999].map(middle), `${number(sent)} %`]);
  }
  const header = ['two upstreams', 'p50 ms', 'p95 ms', 'p99 ms', 'p99.9 ms', 'sent twice'];
  return [
    'Calls of upstreams of which one in fifty meets a pause of up to 200 ms; simulated time, median of the seeds',
    renderTable(header, rows),
  ].join('\n');
}
