import { describe, expect, it } from 'vitest';
import { digitsNetwork, digitsRecipe } from './digits.ts';
import { selectImages } from './labelled-images.ts';
import { readMnist } from './mnist.ts';
import { type StepProgress, trainNetwork } from './train-network.ts';

const batch = 32;
const steps = 100;

describe('training', () => {
  it('learns real digits within a few seconds', { timeout: 120_000 }, async () => {
    const { train } = await readMnist();
    const few = selectImages(
      train,
      Array.from({ length: batch * steps }, (_, i) => i),
    );
    // At the full rate a hundred steps end anywhere.
    const recipe = { ...digitsRecipe, batch, epochs: 1, warmupSteps: 20, learningRateMax: 0.02 };
    const seen: StepProgress[] = [];
    const onStep = (progress: StepProgress): void => void seen.push(progress);
    await trainNetwork(digitsNetwork, few, recipe, { seed: 1, threads: 1, onStep });

    const meanLoss = (part: StepProgress[], exit: number): number =>
      part.reduce((sum, { losses }) => sum + (losses[exit] as number), 0) / part.length;
    expect(seen.length).toBe(steps);
    for (const exit of [0, 1]) {
      // ln 10: what a guess costs.
      expect(meanLoss(seen.slice(0, 5), exit)).toBeGreaterThan(2);
      expect(meanLoss(seen.slice(-20), exit)).toBeLessThan(1.2);
    }
  });

  it('repeats itself from its seed', { timeout: 60_000 }, async () => {
    const { test } = await readMnist();
    const few = selectImages(
      test,
      Array.from({ length: 16 }, (_, i) => i),
    );
    const recipe = { ...digitsRecipe, batch: 8, epochs: 2 };
    const train = (seed: number) => trainNetwork(digitsNetwork, few, recipe, { seed, threads: 1 });
    const weights = await train(3);
    expect(await train(3)).toEqual(weights);
    expect(await train(4)).not.toEqual(weights);
  });
});
