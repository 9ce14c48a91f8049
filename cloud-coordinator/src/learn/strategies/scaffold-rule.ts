// SCAFFOLD (Karimireddy et al., arXiv 1910.06378, Algorithm 1): clients correct their gradients by c − cᵢ, so that each walks towards
// the optimum of all. The server adds the plain mean of the updates, and moves c by (|S|/N)·mean of what the clients' own have moved.

import { defined, ok } from '@skerry/shared';
import type { Rule } from './combined-strategy.ts';
import { mean } from './vectors.ts';

export interface ScaffoldOptions {
  /** N: how many clients there are, of whom each round has some. */
  readonly clients: number;
  readonly partialWork: 'keep' | 'drop';
}

export function scaffoldRule({ clients, partialWork }: ScaffoldOptions): Rule {
  return {
    admission: { partialWork, needsControl: true },
    traits: {
      takesSums: false,
      asynchronous: false,
      needsControl: true,
      needsStartLoss: false,
      clientsMin: 1,
    },
    initialize: (size) => ({ control: new Float64Array(size) }),
    configure: ({ control }) => ({
      control: Float32Array.from(defined(control, 'the control variate')),
    }),
    combine(updates, slots) {
      const before = defined(slots['control'], 'the control variate');
      const moved = mean(
        updates.map(({ control }) => defined(control, 'what a control variate has moved by')),
      );
      // More than N would move c further than all of its clients.
      const share = Math.min(1, updates.length / clients);
      return ok({
        delta: mean(updates.map(({ delta }) => delta)),
        shares: updates.map(({ client }) => ({ client, used: true, weight: 1 / updates.length })),
        slots: { control: before.map((value, i) => value + share * (moved[i] as number)) },
      });
    },
  };
}
