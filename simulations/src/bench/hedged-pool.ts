// Two upstreams behind the coordinator's own pool, on a clock of our own: most calls take some ten milliseconds, one in
// fifty meets a pause of the server that it went to. A seed replays exactly.

import { createUpstreamPool, upstreamPoolDefaults } from '@skerry/cloud-coordinator';
import { createRandom, err, failure, ok, type Random, type Result } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';

export interface HedgedPoolOptions {
  readonly hedgeShareMax: number;
  readonly calls: number;
  readonly seed: number;
}

export interface HedgedPoolRun {
  readonly latenciesMs: readonly number[];
  readonly hedges: number;
}

const betweenCallsMs = 20;
const usualMs = 8;
const jitterMs = 4;
const pauseShare = 0.02;
const pauseMs = 200;

export async function runHedgedPool(options: HedgedPoolOptions): Promise<HedgedPoolRun> {
  const clock = createVirtualClock();
  const random = createRandom(options.seed);
  const names = ['a', 'b'];
  const pool = createUpstreamPool(
    names.map((name) => ({
      upstream: { name, health: async () => ok(undefined), infer: async () => ok({}) },
      models: { '*': '*' },
      tier: 0,
      weight: 1,
      concurrentMax: 64,
    })),
    { ...upstreamPoolDefaults, hedgeShareMax: options.hedgeShareMax },
    { clock, random },
  );
  const answer = (signal: AbortSignal | undefined): Promise<Result<void>> =>
    new Promise((resolve) => {
      const timer = clock.after(latencyOf(random), () => resolve(ok(undefined)));
      signal?.addEventListener('abort', () => {
        timer.cancel();
        resolve(err(failure('unavailable', 'cancelled')));
      });
    });
  const latenciesMs: number[] = [];
  const call = async (): Promise<void> => {
    const startedMs = clock.nowMs();
    await pool.ask('model', 'infer', { leftMs: 10_000 }, (_, __, { signal }) => answer(signal));
    latenciesMs.push(clock.nowMs() - startedMs);
  };
  for (let i = 0; i < options.calls; i++) clock.after(i * betweenCallsMs, () => void call());
  while (latenciesMs.length < options.calls) {
    clock.runNext(clock.nowMs() + 60_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  pool.close();
  const hedges = pool.status().reduce((sum, member) => sum + member.hedges, 0);
  return { latenciesMs, hedges };
}

function latencyOf(random: Random): number {
  const served = usualMs + jitterMs * random.next();
  return random.next() < pauseShare ? served + pauseMs * random.next() : served;
}
