// Rounds with central differential privacy: a Poisson sample, a commitment to the ledger, the private mean. Its noise comes from
// the trial's seed, so that a trial is the same twice; a coordinator's comes from the platform.

import {
  aggregatePrivately,
  type CentralPrivacy,
  centralPrivacySchema,
  decideCommitment,
  foldLedger,
  initialClip,
  mechanismOf,
  openLedger,
  privacyBudgetSchema,
  samplePoisson,
  spentOf,
} from '@skerry/cloud-coordinator/privacy';
import { createSeededBytes } from '@skerry/shared/testing';
import { clientSeed, streamOf } from './draws.ts';
import type { Federation, Learned } from './federation.ts';
import { isEvaluated, updateOf } from './run-rounds.ts';
import { shareVector } from './share-vector.ts';
import type { TrialPoint, TrialPrivacy } from './trial.ts';

export async function runPrivateRounds(
  federation: Federation,
  { clip: rule, noiseMultiplier, samplingRate, delta }: TrialPrivacy,
  seed: number,
): Promise<Learned> {
  const { trial, strategy, pool, onPoint } = federation;
  const privacy: CentralPrivacy = centralPrivacySchema.parse({
    noiseMultiplier,
    samplingRate,
    clients: trial.clients,
    clip: rule,
  });
  const all = Array.from({ length: trial.clients }, (_, client) => client);
  const bytes = createSeededBytes(streamOf(seed, 'privacy').uint32());
  const points: TrialPoint[] = [];
  let ledger = openLedger(privacyBudgetSchema.parse({ epsilonMax: 1e6, delta }));
  let state = strategy.initialize(federation.initial);
  let clip = initialClip(privacy);
  let bytesUp = 0;
  let updates = 0;
  for (let round = 1; round <= trial.rounds; round++) {
    const sample = samplePoisson(all, samplingRate, bytes);
    const parameters = shareVector(state.parameters);
    const { proximalMu } = strategy.configureTrain(state);
    const replies = await Promise.all(
      sample.map((client) =>
        federation.train(client, {
          parameters,
          proximalMu,
          share: 1,
          seed: clientSeed(seed, round, client),
        }),
      ),
    );
    const sent = replies.flatMap((reply, i) =>
      reply.kind === 'trained' ? [updateOf(sample[i] ?? 0, reply, 0)] : [],
    );
    bytesUp += replies.reduce((sum, r) => sum + (r.kind === 'trained' ? r.bytes : 0), 0);
    updates += sent.length;
    const commitment = { round, attempt: 1, atMs: round, mechanism: mechanismOf(privacy), clip };
    const committed = decideCommitment(ledger, commitment);
    // Noise too small to be any has no budget either: it is measured, and nothing is claimed of it.
    if (committed.ok) ledger = foldLedger(ledger, committed.value);
    const aggregated = aggregatePrivately(strategy, state, { privacy, clip, updates: sent }, bytes);
    if (!aggregated.ok) return { points, diverged: `round ${round}: ${aggregated.error.message}` };
    ({ state, clip } = aggregated.value);
    if (!isEvaluated(round, trial)) continue;
    const scored = await pool.evaluate(shareVector(state.parameters));
    const epsilon = committed.ok ? { epsilon: spentOf(ledger).epsilon } : {};
    const point = { round, ...scored, ...epsilon, atTime: 0, bytesUp, updates };
    points.push(point);
    onPoint(point);
  }
  return { points };
}
