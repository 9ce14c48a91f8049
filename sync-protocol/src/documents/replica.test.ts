import { createRandom } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createInlineEngine } from '../testing/inline-engine.ts';
import { createMemoryDocumentDisk, createMemoryDocumentLog } from '../testing/memory-documents.ts';
import { createReplica } from './replica.ts';

it('of more documents than it remembers it forgets the one used longest ago, and reads it again', async () => {
  const log = createMemoryDocumentLog(createMemoryDocumentDisk());
  const loaded: string[] = [];
  const replica = createReplica({
    engine: createInlineEngine(),
    log: {
      ...log,
      async load(document) {
        loaded.push(document);
        return log.load(document);
      },
    },
    random: createRandom(1),
    clock: createVirtualClock(),
    author: '0'.repeat(16),
    onChanged() {},
  });
  const loads = async (document: string): Promise<number> => {
    const before = loaded.length;
    expect(await replica.state(document)).toMatchObject({ ok: true });
    return loaded.length - before;
  };
  expect(await replica.patch('first', { kept: true }, 'all')).toMatchObject({ ok: true });
  for (let i = 1; i < 1_024; i++) expect(await loads(`d${i}`)).toBe(1);
  expect(await loads('first')).toBe(0);
  expect(await loads('one-more')).toBe(1);
  expect(await loads('first')).toBe(0);
  expect(await loads('d1')).toBe(1);
  expect(await replica.read('first')).toMatchObject({ value: { value: { kept: true } } });
});
