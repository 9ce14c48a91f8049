import { describe, expect, it } from 'vitest';
import { countOf } from './examples.ts';
import { drawSynthetic } from './synthetic.ts';

const draw = (alpha: number, beta: number) => drawSynthetic({ alpha, beta, clients: 12 }, 3);

describe('Synthetic(α, β)', () => {
  it('is the same by seed, and every example to train on belongs to one client', () => {
    const { train, partition } = draw(1, 1);
    const again = draw(1, 1);
    expect(Buffer.from(again.train.inputs.buffer).equals(Buffer.from(train.inputs.buffer))).toBe(
      true,
    );
    expect(again.partition.map(({ length }) => length)).toEqual(partition.map((p) => p.length));
    const dealt = partition.flatMap((own) => [...own]);
    expect(dealt).toEqual([...train.labels.keys()]);
    expect(train.inputs).toHaveLength(60 * countOf(train));
  });

  it('keeps about a tenth of each device’s examples to test with', () => {
    const { train, test } = draw(1, 1);
    expect(countOf(test) / (countOf(test) + countOf(train))).toBeCloseTo(0.1, 1);
  });

  it('is dealt by a power law, of 50 examples at least', () => {
    const sizes = draw(1, 1).partition.map(({ length }) => length);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(45);
    expect(Math.max(...sizes)).toBeGreaterThan(5 * Math.min(...sizes));
  });

  it('has devices whose inputs are further apart the larger β is', () => {
    const spread = (beta: number): number => {
      const { train, partition } = draw(0, beta);
      const means = partition.map((own) => {
        const all = [...own].flatMap((i) => [...train.inputs.subarray(i * 60, i * 60 + 60)]);
        return all.reduce((sum, x) => sum + x, 0) / all.length;
      });
      return Math.max(...means) - Math.min(...means);
    };
    expect(spread(4)).toBeGreaterThan(2 * spread(0));
  });
});
