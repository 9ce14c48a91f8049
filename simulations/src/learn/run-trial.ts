// A trial, run by one seed: the seed says who holds what, what the model begins as, and every later chance.

import { loadavg } from 'node:os';
import { createStrategy, strategyOptionsSchema } from '@skerry/cloud-coordinator/strategies';
import { defined } from '@skerry/shared';
import { createClientPool } from './client-pool.ts';
import { streamOf } from './draws.ts';
import { countOf, type Examples, readDigits } from './examples.ts';
import { createFederation } from './federation.ts';
import { beginningOf } from './learned-model.ts';
import {
  type Partition,
  partitionByDirichlet,
  partitionByShards,
  partitionBySize,
  partitionEvenly,
} from './partition.ts';
import { runBuffered } from './run-buffered.ts';
import { runPrivateRounds } from './run-private-rounds.ts';
import { runRounds } from './run-rounds.ts';
import { drawSynthetic, type Federated } from './synthetic.ts';
import type { Trial, TrialPoint, TrialResult } from './trial.ts';

export interface RunOptions {
  readonly workers: number;
  onPoint(point: TrialPoint): void;
}

/** Fewer make no batch. */
const examplesMin = 10;

export async function runTrial(
  trial: Trial,
  seed: number,
  { workers, onPoint }: RunOptions,
): Promise<TrialResult> {
  const startedAt = new Date().toISOString();
  const before = loadavg()[0] ?? 0;
  const { partition, ...data } = await dealt(trial, seed);
  const { model, initial } = await beginningOf(trial.network, seed);
  const pool = createClientPool({ workers, model, data });
  const strategy = createStrategy(strategyOptionsSchema.parse(trial.strategy));
  const startMs = performance.now();
  try {
    const federation = createFederation(trial, partition, {
      strategy,
      pool,
      initial,
      onPoint,
    });
    const learned = trial.privacy
      ? await runPrivateRounds(federation, trial.privacy, seed)
      : trial.time?.kind === 'buffered'
        ? await runBuffered(federation, trial.time.concurrency, seed)
        : await runRounds(federation, seed);
    return {
      trial,
      seed,
      ...learned,
      roundMs: (performance.now() - startMs) / (learned.points.at(-1)?.round ?? 1),
      startedAt,
      load: [before, loadavg()[0] ?? 0],
    };
  } finally {
    await pool.close();
  }
}

async function dealt(trial: Trial, seed: number): Promise<Federated> {
  const { data, clients } = trial;
  if (data.kind === 'synthetic') return drawSynthetic({ ...data, clients }, seed);
  const digits = await readDigits(data, seed);
  return { ...digits, partition: deal(trial, digits.train, seed) };
}

function deal({ dealt, clients }: Trial, train: Examples, seed: number): Partition {
  const random = streamOf(seed, 'deal');
  const { kind, ...how } = defined(dealt, 'how the examples are dealt');
  if (kind === 'evenly') return partitionEvenly(countOf(train), clients, random);
  if ('each' in how) return partitionByShards(train.labels, clients, how.each, random);
  if (!('alpha' in how)) throw new Error(`nobody deals '${kind}'`);
  const skew = { alpha: how.alpha, examplesMin };
  return kind === 'dirichlet'
    ? partitionByDirichlet(train.labels, clients, skew, random)
    : partitionBySize(countOf(train), clients, skew, random);
}
