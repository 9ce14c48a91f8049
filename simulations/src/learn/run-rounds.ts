// Rounds that wait for their clients: choose, train, aggregate, evaluate. Time, where a trial has it, is virtual: a round
// takes as long as the slowest of those that it waits for.

import type { ClientUpdate } from '@skerry/cloud-coordinator/strategies';
import type { Random } from '@skerry/shared';
import type { SentUpdate } from './client-work.ts';
import { choose, clientSeed, halfNormal, streamOf } from './draws.ts';
import type { Federation, Learned } from './federation.ts';
import { shareVector } from './share-vector.ts';
import type { Trial, TrialPoint } from './trial.ts';

interface Chosen {
  readonly client: number;
  readonly duration: number;
  /** The share of the epochs that it will do. */
  readonly share: number;
}

export async function runRounds(federation: Federation, seed: number): Promise<Learned> {
  const { trial, strategy, pool, onPoint } = federation;
  const points: TrialPoint[] = [];
  let state = strategy.initialize(federation.initial);
  const choices = createChoices(trial, seed);
  let atTime = 0;
  let bytesUp = 0;
  let updates = 0;
  const evaluate = async (round: number): Promise<number> => {
    const scored = await pool.evaluate(shareVector(state.parameters));
    const point = { round, ...scored, atTime, bytesUp, updates };
    points.push(point);
    onPoint(point);
    return scored.accuracy;
  };
  // What is drawn knows nothing.
  if (typeof trial.network !== 'string') await evaluate(0);
  for (let round = 1; round <= trial.rounds; round++) {
    const { chosen, duration } = choices();
    atTime += duration;
    const parameters = shareVector(state.parameters);
    const config = strategy.configureTrain(state);
    const replies = await Promise.all(
      chosen.map(({ client, share }) =>
        federation.train(client, {
          parameters,
          proximalMu: config.proximalMu,
          share,
          seed: clientSeed(seed, round, client),
        }),
      ),
    );
    const sent = replies.flatMap((reply, i) =>
      reply.kind === 'trained' ? [updateOf(chosen[i]?.client ?? 0, reply, 0)] : [],
    );
    if (sent.length === 0)
      return { points, diverged: `round ${round}: no client’s training came to numbers` };
    bytesUp += replies.reduce(
      (sum, reply) => sum + (reply.kind === 'trained' ? reply.bytes : 0),
      0,
    );
    updates += sent.length;
    const aggregated = strategy.aggregateTrain(state, sent);
    if (!aggregated.ok) {
      // Nobody was in time: the model stays, and the round was one.
      if (aggregated.error.code !== 'unavailable')
        return { points, diverged: `round ${round}: ${aggregated.error.message}` };
    } else state = aggregated.value.state;
    if (!isEvaluated(round, trial)) continue;
    if ((await evaluate(round)) >= (trial.until ?? Number.POSITIVE_INFINITY)) break;
  }
  return { points };
}

/** What is read off the end of a curve is a mean of its last five. */
export const isEvaluated = (round: number, { evaluateEvery = 1, rounds }: Trial): boolean =>
  round % evaluateEvery === 0 || round > rounds - 5;

export const updateOf = (client: number, reply: SentUpdate, staleness: number): ClientUpdate => ({
  client: `client-${String(client).padStart(5, '0')}`,
  examples: reply.examples,
  delta: reply.delta,
  metrics: { loss: reply.loss },
  completed: reply.completed,
  steps: reply.steps,
  staleness,
});

/** Who takes part, round by round. Of the over-selected those count who are first. */
function createChoices(trial: Trial, seed: number) {
  const selection = streamOf(seed, 'selection');
  const duration = streamOf(seed, 'duration');
  const straggling = streamOf(seed, 'straggling');
  const { time, perRound } = trial;
  const asked = time?.kind === 'rounds' ? Math.round(perRound * time.overSelection) : perRound;
  return (): { chosen: readonly Chosen[]; duration: number } => {
    const all = choose(asked, trial.clients, selection).map((client) => ({
      client,
      duration: time === undefined ? 0 : halfNormal(duration),
    }));
    const first = all.toSorted((a, b) => a.duration - b.duration).slice(0, perRound);
    return {
      chosen: straggle(first, trial, straggling),
      duration: first.at(-1)?.duration ?? 0,
    };
  };
}

/** A straggler does between one and all of its epochs (FedProx, arXiv 1812.06127, §5.2). */
function straggle(
  chosen: readonly Omit<Chosen, 'share'>[],
  { stragglers = 0, local: { epochs } }: Trial,
  random: Random,
): readonly Chosen[] {
  const late = new Set(choose(Math.round(stragglers * chosen.length), chosen.length, random));
  return chosen.map((each, i) => ({
    ...each,
    share: late.has(i) ? (1 + random.below(epochs)) / epochs : 1,
  }));
}
