import { err, failure, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createWordEmbedder } from '../../testing/word-embedder.ts';
import { createVectorMemory } from './remember-vectors.ts';

const texts = ['the pump is bled', 'the valve opens', 'the pump is bled'];

it('[CAC6] embeds a text once, with the vector that it would have had, and forgets the one used longest ago', async () => {
  const embedder = createWordEmbedder();
  const memory = createVectorMemory({ digestOf: sha256, entriesMax: 2 });
  const remembering = memory.remembering(embedder);
  expect(memory.remembering(embedder)).toBe(remembering);
  const plain = unwrap(await createWordEmbedder().embed(texts));
  expect(unwrap(await remembering.embed(texts))).toEqual(plain);
  expect(embedder.embedded).toEqual(['the pump is bled', 'the valve opens']);
  expect(unwrap(await remembering.embed(texts))).toEqual(plain);
  expect(embedder.embedded).toHaveLength(2);

  await remembering.embed(['the pump is bled', 'a third']);
  await remembering.embed(['the pump is bled']);
  expect(embedder.embedded).toHaveLength(3);
  await remembering.embed(['the valve opens']);
  expect(embedder.embedded).toHaveLength(4);
  expect(memory.figures()).toEqual({ entries: 2, entriesMax: 2, hits: 6, misses: 4 });
  // Another's vectors are others.
  const other = { ...createWordEmbedder(), digest: `sha256:${'d'.repeat(64)}` };
  await memory.remembering(other).embed(['the valve opens']);
  expect(other.embedded).toHaveLength(1);
});

it('[CAC6] remembers nothing of a failure, nor what had to be forgotten while it was made', async () => {
  const embedder = createWordEmbedder();
  let fails = true;
  let during = (): void => {};
  const memory = createVectorMemory({ digestOf: sha256, entriesMax: 9 });
  const remembering = memory.remembering({
    ...embedder,
    async embed(asked): Promise<Result<Float32Array<ArrayBuffer>>> {
      during();
      return fails ? err(failure('runtime_failed', 'no memory')) : embedder.embed(asked);
    },
  });
  expect(await remembering.embed(texts)).toMatchObject({ ok: false });
  expect(memory.figures().entries).toBe(0);
  fails = false;
  during = () => memory.forget();
  expect(unwrap(await remembering.embed(texts))).toHaveLength(3 * 64);
  expect(memory.figures().entries).toBe(0);
  during = () => {};
  await remembering.embed(texts);
  expect(memory.forget()).toBe(2);
});
