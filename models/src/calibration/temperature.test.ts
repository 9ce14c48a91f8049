import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { softmax } from '../confidence.ts';
import { fitTemperature, negativeLogLikelihood, type Scored } from './temperature.ts';

/** Labels drawn from softmax(logits), reported as logits × `stretch`: overconfident by exactly that factor. */
function drawOverconfident(stretch: number, examples: number): Scored {
  const random = createRandom(7);
  const classes = 5;
  const logits: number[] = [];
  const labels: number[] = [];
  for (let i = 0; i < examples; i++) {
    const row = Array.from({ length: classes }, () => 1.5 * random.gaussian());
    labels.push(draw(softmax(row), random.next()));
    logits.push(...row.map((z) => z * stretch));
  }
  return { classes, logits, labels };
}

/** The class whose cumulative probability first exceeds `at`. */
function draw(probabilities: Float64Array, at: number): number {
  let cumulative = 0;
  const found = probabilities.findIndex((p) => {
    cumulative += p;
    return cumulative > at;
  });
  return Math.max(0, found);
}

describe('fitTemperature', () => {
  it.each([0.5, 1, 3])('undoes a stretch of %d', (stretch) => {
    expect(fitTemperature(drawOverconfident(stretch, 20_000)) / stretch).toBeCloseTo(1, 1);
  });

  it('is no worse than its neighbours', () => {
    const scored = drawOverconfident(2, 2000);
    const best = fitTemperature(scored);
    const loss = negativeLogLikelihood(scored, best);
    for (const factor of [0.9, 1.1])
      expect(negativeLogLikelihood(scored, best * factor)).toBeGreaterThan(loss);
  });
});
