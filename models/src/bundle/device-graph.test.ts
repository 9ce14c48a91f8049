import { expect, it } from 'vitest';
import { deviceExitOf } from './device-graph.ts';
import type { Manifest } from './manifest.ts';

const manifestOf = (sides: readonly ('edge' | 'cloud')[], exits: readonly number[]) =>
  ({
    name: 'm',
    stages: sides.map((side, i) => ({ name: `s${i}`, side })),
    exits: exits.map((i) => ({ index: i + 1, stage: `s${i}`, logits: 'logits' })),
  }) as unknown as Manifest;

it('what learns of a bundle is the one stage on devices, with an answer of its own', () => {
  expect(deviceExitOf(manifestOf(['edge', 'cloud'], [0, 1]))).toMatchObject({
    value: { stage: 's0', logits: 'logits' },
  });
  const cases: [Manifest, RegExp][] = [
    [manifestOf(['cloud'], [0]), /no stage of it runs on devices/],
    [manifestOf(['edge', 'edge'], [0, 1]), /s0 and s1 both run on devices/],
    [manifestOf(['edge', 'cloud'], [1]), /no answer leaves from its stage s0/],
  ];
  for (const [manifest, message] of cases)
    expect(deviceExitOf(manifest)).toMatchObject({
      error: { code: 'invalid_argument', message: expect.stringMatching(message) },
    });
});
