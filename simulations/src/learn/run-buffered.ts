// A run that never waits for a round (FedBuff, arXiv 2106.06639): so many clients train at any time, each from the model
// that there was when it began, and the strategy says when their updates make the next one. Time is virtual: who ends
// next is drawn, and what it has learned is computed meanwhile.

import { defined } from '@skerry/shared';
import type { WorkedReply } from './client-work.ts';
import { clientSeed, halfNormal, streamOf } from './draws.ts';
import type { Federation, Learned } from './federation.ts';
import { updateOf } from './run-rounds.ts';
import { shareVector } from './share-vector.ts';
import type { TrialPoint } from './trial.ts';

interface Flight {
  readonly client: number;
  readonly endsAt: number;
  /** In the order in which they began: what ends at the same time ends in this one. */
  readonly number: number;
  readonly fromRound: number;
  readonly reply: Promise<WorkedReply>;
}

export async function runBuffered(
  federation: Federation,
  concurrency: number,
  seed: number,
): Promise<Learned> {
  const { trial, strategy, pool, onPoint } = federation;
  const selection = streamOf(seed, 'selection');
  const durations = streamOf(seed, 'duration');
  const points: TrialPoint[] = [];
  const flights: Flight[] = [];
  const staleness = { sum: 0, most: 0 };
  let state = strategy.initialize(federation.initial);
  let parameters = shareVector(state.parameters);
  let begun = 0;
  let bytesUp = 0;
  let updates = 0;

  const begin = (now: number): void => {
    const flying = new Set(flights.map(({ client }) => client));
    const free = Array.from({ length: trial.clients }, (_, i) => i).filter((i) => !flying.has(i));
    const client = free[selection.below(free.length)] as number;
    const number = begun++;
    const reply = federation.train(client, {
      parameters,
      proximalMu: strategy.configureTrain(state).proximalMu,
      share: 1,
      seed: clientSeed(seed, number, client),
    });
    // One that fails is heard of when it is its turn.
    reply.catch(() => {});
    const endsAt = now + halfNormal(durations);
    flights.push({ client, endsAt, number, fromRound: state.round, reply });
    flights.sort((a, b) => a.endsAt - b.endsAt || a.number - b.number);
  };

  for (let i = 0; i < concurrency; i++) begin(0);
  while (points.length < trial.rounds) {
    const next = defined(flights.shift(), 'a client that trains');
    const reply = await next.reply;
    if (reply.kind === 'failed') return { points, diverged: reply.message };
    const stale = state.round - next.fromRound;
    staleness.sum += stale;
    staleness.most = Math.max(staleness.most, stale);
    bytesUp += reply.bytes;
    updates += 1;
    const aggregated = strategy.aggregateTrain(state, [updateOf(next.client, reply, stale)]);
    if (!aggregated.ok) {
      // Too old a base: it is not taken, and the run goes on.
      if (aggregated.error.code !== 'unavailable')
        return { points, diverged: aggregated.error.message };
    } else state = aggregated.value.state;
    if (aggregated.ok && aggregated.value.report.changed) {
      parameters = shareVector(state.parameters);
      const scored = await pool.evaluate(parameters);
      const point = { round: state.round, ...scored, atTime: next.endsAt, bytesUp, updates };
      points.push(point);
      onPoint(point);
      if (scored.accuracy >= (trial.until ?? Number.POSITIVE_INFINITY)) break;
    }
    begin(next.endsAt);
  }
  await Promise.allSettled(flights.map(({ reply }) => reply));
  return { points, staleness: { mean: staleness.sum / updates, most: staleness.most } };
}
