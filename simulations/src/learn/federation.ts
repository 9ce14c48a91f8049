// The clients of a trial and what they keep, behind one call: whoever runs the rounds says who trains, from what, and
// gets what that client sends.

import type { Strategy } from '@skerry/cloud-coordinator/strategies';
import { defined } from '@skerry/shared';
import type { ClientPool } from './client-pool.ts';
import type { WorkedReply } from './client-work.ts';
import type { Partition } from './partition.ts';
import type { Trial, TrialPoint, TrialResult } from './trial.ts';

export interface Federation {
  readonly trial: Trial;
  readonly strategy: Strategy;
  readonly pool: ClientPool;
  readonly initial: Float32Array;
  train(client: number, asked: Asked): Promise<WorkedReply>;
  onPoint(point: TrialPoint): void;
}

export interface Asked {
  readonly parameters: Float32Array<SharedArrayBuffer>;
  readonly proximalMu: number;
  /** Of the epochs' steps. */
  readonly share: number;
  readonly seed: number;
}

export type Learned = Pick<TrialResult, 'points' | 'diverged' | 'staleness'>;

export function createFederation(
  trial: Trial,
  partition: Partition,
  rest: Pick<Federation, 'strategy' | 'pool' | 'initial' | 'onPoint'>,
): Federation {
  const { epochs, batch, learningRate } = trial.local;
  const states = new Map<number, ReadonlyMap<string, Uint8Array>>();
  return {
    trial,
    ...rest,
    async train(client, { parameters, proximalMu, share, seed }) {
      const indices = defined(partition[client], `client ${client}`);
      const stepsAsked = epochs * Math.ceil(indices.length / (batch ?? indices.length));
      const state = states.get(client) ?? new Map<string, Uint8Array>();
      const reply = await rest.pool.train({
        parameters,
        indices,
        task: {
          epochs,
          learningRate,
          proximalMu,
          seed,
          ...(batch === undefined ? {} : { batch }),
          ...(share < 1 ? { stepsMax: Math.max(1, Math.round(share * stepsAsked)) } : {}),
        },
        compression: trial.compression ?? { kind: 'none' },
        ...(client < (trial.malicious?.count ?? 0) && trial.malicious
          ? { behaviour: trial.malicious.behaviour }
          : {}),
        state,
      });
      if (reply.kind === 'trained' && reply.state.size > 0)
        states.set(client, new Map([...state, ...reply.state]));
      return reply;
    },
  };
}
