import { expect, it } from 'vitest';
import { calmFleet, fleetFolding, nextFleet } from './fleet-state.ts';
import { claimsMax, fleetEventSchema } from './rollout-event.ts';

it('[ROL30] of claims the newest are kept, as many as a fold may name', () => {
  const claim = (model: number, atMs: number) =>
    fleetEventSchema.parse({
      kind: 'claimed',
      atMs,
      by: 'an operator',
      model: `model-${model}`,
      rollout: `rollout-${atMs}`,
    });
  const few = [claim(0, 1), claim(1, 2), claim(0, 3)].reduce(nextFleet, calmFleet);
  expect([...few.claims]).toEqual([
    ['model-1', { rollout: 'rollout-2', atMs: 2 }],
    ['model-0', { rollout: 'rollout-3', atMs: 3 }],
  ]);
  const others = Array.from({ length: claimsMax - 1 }, (_, i) => claim(i + 2, i + 4));
  const many = others.reduce(nextFleet, few);
  expect(many.claims.size).toBe(claimsMax);
  expect([...many.claims.keys()][0]).toBe('model-0');
  const folded = { events: 1, digest: `sha256:${'0'.repeat(64)}` } as const;
  const fold = fleetEventSchema.parse(fleetFolding.make(many, folded));
  expect(nextFleet(calmFleet, fold)).toEqual(many);
});
