// Updates for tests of strategies.

import type { ClientUpdate } from '../learn/strategies/strategy.ts';

export function updateOf(
  client: string,
  delta: readonly number[],
  more: Partial<Omit<ClientUpdate, 'client' | 'delta'>> = {},
): ClientUpdate {
  return {
    client,
    examples: 10,
    delta: Float32Array.from(delta),
    metrics: {},
    completed: 1,
    steps: 1,
    staleness: 0,
    ...more,
  };
}

/** Of a client that was given `from` and comes back with `to`. */
export const towards = (
  client: string,
  from: readonly number[],
  to: readonly number[],
  more: Partial<Omit<ClientUpdate, 'client' | 'delta'>> = {},
): ClientUpdate =>
  updateOf(
    client,
    to.map((value, i) => value - (from[i] ?? 0)),
    more,
  );
