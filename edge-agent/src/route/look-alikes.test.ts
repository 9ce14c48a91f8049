import { createRandom } from '@skerry/shared';
import { sampleAnswer } from '@skerry/sync-protocol/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteRouteStore } from '../adapters/sqlite-route-store.ts';
import { createLookAlikes, embed, type LookAlikeTerms } from './look-alikes.ts';

const terms: LookAlikeTerms = {
  cache: 'on',
  similarityMin: 0.98,
  ttlMs: 1_000,
  entriesMax: 3,
  cooldownMs: 0,
};
const variant = `sha256:${'a'.repeat(64)}`;
const { outcome } = sampleAnswer('r1');

const embedReals = (data: Float32Array<ArrayBuffer>) => embed({ datatype: 'FP32', data });

/** A sight, and the same with a little noise. */
const sight = (seed: number, noise = 0): Float32Array => {
  const random = createRandom(seed);
  const other = createRandom(1_000 + noise);
  return embedReals(
    Float32Array.from({ length: 784 }, () => random.next() + (noise > 0 ? other.next() / 50 : 0)),
  );
};

function open(more: Partial<LookAlikeTerms> = {}) {
  const database = openDatabase(':memory:');
  if (!database.ok) throw new Error(database.error.message);
  const store = createSqliteRouteStore(database.value);
  const start = (nowMs = 0, variants = [variant]) =>
    createLookAlikes({ ...terms, ...more }, store.learned, new Set(variants), nowMs);
  return { store, start };
}

describe('an embedding', () => {
  it('has unit length or none, few dimensions, and does not change with brightness or contrast', () => {
    const tensors = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 3_000 });
    fc.assert(
      fc.property(tensors, fc.integer({ min: 1, max: 9 }), (values, factor) => {
        const embedding = embed({ datatype: 'UINT8', data: Uint8Array.from(values) });
        expect(embedding.length).toBeLessThanOrEqual(256);
        const norm = Math.hypot(...embedding);
        expect(norm < 1e-6 || Math.abs(norm - 1) < 1e-4).toBe(true);
        if (values.length > 256) return; // Pooled, the last mean may be of fewer.
        const brighter = embedReals(Float32Array.from(values, (value) => value * factor + 10));
        for (const [i, value] of embedding.entries())
          expect(Math.abs(value - (brighter[i] ?? 0))).toBeLessThan(1e-3);
      }),
    );
  });
});

it('an embedding of half floats is that of the numbers, not of their bits', () => {
  // 1, −2, 0.5, 0
  const halves = embed({ datatype: 'FP16', data: Uint16Array.of(0x3c00, 0xc000, 0x3800, 0) });
  expect([...halves]).toEqual([...embedReals(Float32Array.of(1, -2, 0.5, 0))]);
});

describe('the cache', () => {
  it('gives what was learned to what looks alike, and to nothing else', () => {
    const alikes = open().start();
    alikes.asked('r1', variant, sight(1), 0);
    alikes.answered('r1', outcome, 5);
    expect(alikes.recall(variant, sight(1, 1), 10)).toMatchObject({
      kind: 'learned',
      learned: { requestId: 'r1', answer: outcome, learnedMs: 5, expiresMs: 1_005 },
    });
    expect(alikes.recall(variant, sight(2), 10)).toBeUndefined();
    expect(alikes.recall('sha256:other', sight(1), 10)).toBeUndefined();
  });

  it('forgets by time, by contradiction, and the oldest of too many', () => {
    const alikes = open().start();
    for (let i = 0; i < 4; i++) {
      alikes.asked(`r${i}`, variant, sight(i), 0);
      alikes.answered(`r${i}`, outcome, 0);
    }
    expect(alikes.size()).toBe(3);
    expect(alikes.recall(variant, sight(0), 1)).toBeUndefined();
    alikes.contradict('r1');
    expect(alikes.recall(variant, sight(1), 1)).toBeUndefined();
    expect(alikes.recall(variant, sight(2), 999)).toMatchObject({ kind: 'learned' });
    expect(alikes.recall(variant, sight(2), 1_000)).toBeUndefined();
  });

  it('finds what it still knows behind what has expired, however alike that is', () => {
    const alikes = open().start();
    alikes.asked('old', variant, sight(1), 0);
    alikes.answered('old', outcome, 0);
    alikes.asked('new', variant, sight(1, 1), 500);
    alikes.answered('new', outcome, 500);
    expect(alikes.recall(variant, sight(1), 1_200)).toMatchObject({
      kind: 'learned',
      learned: { requestId: 'new' },
    });
    expect(alikes.size()).toBe(1);
  });

  it('learns from answers alone, and from those to its own questions', () => {
    const alikes = open().start();
    alikes.asked('r1', variant, sight(1), 0);
    alikes.answered('r1', { kind: 'failed', code: 'unavailable', message: '' }, 0);
    alikes.answered('stranger', outcome, 0);
    expect(alikes.size()).toBe(0);
  });

  it('is there after a restart, but for what has expired or is of a variant that went', () => {
    const { start, store } = open();
    const first = start();
    first.asked('r1', variant, sight(1), 0);
    first.answered('r1', outcome, 0);
    expect(start(1).recall(variant, sight(1), 1)).toMatchObject({ kind: 'learned' });
    expect(start(1, ['sha256:new']).size()).toBe(0);
    expect(store.learned.load()).toEqual([]);
  });

  it('that is off learns nothing', () => {
    const { start, store } = open({ cache: 'off', cooldownMs: 10 });
    const alikes = start();
    alikes.asked('r1', variant, sight(1), 0);
    alikes.answered('r1', outcome, 0);
    expect([alikes.size(), store.learned.load().length]).toEqual([0, 0]);
  });
});

describe('a cooldown', () => {
  it('lets a camera that sees the same ask once in it, thirty times a second', () => {
    const alikes = open({ cache: 'off', cooldownMs: 1_000 }).start();
    let asked = 0;
    for (let frame = 0; frame < 300; frame++) {
      const atMs = (frame * 1_000) / 30;
      if (alikes.recall(variant, sight(1, 1 + (frame % 7)), atMs) !== undefined) continue;
      alikes.asked(`r${asked++}`, variant, sight(1, 1), atMs);
      alikes.answered(`r${asked - 1}`, outcome, atMs + 1);
    }
    expect(asked).toBe(10);
    expect(alikes.recall(variant, sight(2), 10_000)).toBeUndefined();
  });
});
