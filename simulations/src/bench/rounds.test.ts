import { expect, it } from 'vitest';
import { inRounds } from './rounds.ts';

it('measures every case in every round, the order turned each time', async () => {
  const order: string[] = [];
  let count = 0;
  const next = async () => ++count;
  const results = await inRounds(3, { a: next, b: next }, (name) => order.push(name));
  expect(order.join('')).toBe('abbaab');
  expect(results).toEqual({ a: [1, 4, 5], b: [2, 3, 6] });
});
