import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import {
  type Partition,
  partitionByDirichlet,
  partitionByShards,
  partitionBySize,
  partitionEvenly,
} from './partition.ts';

const labels = Uint8Array.from({ length: 6_000 }, (_, i) => (i * 7) % 10);
const labelsOf = (own: Uint32Array): Set<number> => new Set([...own].map((i) => labels[i] ?? -1));
const sorted = (partition: Partition): number[] =>
  partition.flatMap((own) => [...own]).sort((a, b) => a - b);
const all = [...labels.keys()];

describe('partitions', () => {
  const random = () => createRandom(5);
  const made: Record<string, () => Partition> = {
    evenly: () => partitionEvenly(labels.length, 100, random()),
    'by shards': () => partitionByShards(labels, 100, 2, random()),
    'by Dirichlet': () =>
      partitionByDirichlet(labels, 20, { alpha: 0.3, examplesMin: 10 }, random()),
    'by size': () => partitionBySize(labels.length, 20, { alpha: 0.5, examplesMin: 10 }, random()),
  };

  it.each(Object.entries(made))('%s: each example belongs to one client, by seed', (_, make) => {
    expect(sorted(make())).toEqual(all);
    expect(make()).toEqual(make());
  });

  it('evenly: as many each, all labels', () => {
    for (const own of made['evenly']?.() ?? []) {
      expect(own).toHaveLength(60);
      expect(labelsOf(own).size).toBeGreaterThan(7);
    }
  });

  it('by shards: as many each, two labels', () => {
    const partition = made['by shards']?.() ?? [];
    for (const own of partition) {
      expect(own).toHaveLength(60);
      expect(labelsOf(own).size).toBeLessThanOrEqual(2);
    }
    expect(partition.some((own) => labelsOf(own).size === 2)).toBe(true);
  });

  it('by Dirichlet: a small alpha skews the labels, a large one hardly', () => {
    const largest = (alpha: number): number => {
      const partition = partitionByDirichlet(labels, 20, { alpha, examplesMin: 1 }, random());
      const shares = partition.map((own) => {
        const counts = [...labelsOf(own)].map((l) => own.filter((i) => labels[i] === l).length);
        return Math.max(...counts) / own.length;
      });
      return shares.reduce((sum, share) => sum + share, 0) / shares.length;
    };
    expect(largest(0.1)).toBeGreaterThan(0.4);
    expect(largest(100)).toBeLessThan(0.2);
  });

  it('by size: none has fewer than it must, and some have many times as many', () => {
    const sizes = (made['by size']?.() ?? []).map(({ length }) => length);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...sizes)).toBeGreaterThan(5 * Math.min(...sizes));
  });
});
