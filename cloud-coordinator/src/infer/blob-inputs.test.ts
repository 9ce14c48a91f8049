import { silentLog } from '@skerry/shared';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  sampleBlob,
  sampleEscalation,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { createBlobInputs, inputBytesMax } from './blob-inputs.ts';

const { ref, data, chunks } = sampleBlob(100_000);

async function fresh() {
  const store = createMemoryBlobStore();
  for (const [index, chunk] of chunks.entries()) await store.write(ref, index, chunk);
  await store.finish(ref.digest);
  const references = createMemoryBlobReferences();
  const inputs = createBlobInputs({
    blobsOf: (device) => (device === 'stranger' ? createMemoryBlobStore() : store),
    references,
    log: silentLog,
  });
  const open = (requestId: string, device = 'box', blob = ref) => {
    const body = sampleEscalation(requestId);
    return { device, body: { ...body, input: { ...body.input, data: new Uint8Array(), blob } } };
  };
  return { inputs, open, isKept: () => references.has(ref.digest) };
}

describe('inputs that came as blobs', () => {
  it('[UPF2] are put where the bytes would be; those that came with the op stay', async () => {
    const { inputs, open } = await fresh();
    const read = await inputs.read(open('r1'));
    expect(read.ok && Buffer.from(read.value.input.data).equals(data)).toBe(true);
    expect(read.ok && 'blob' in read.value.input).toBe(false);
    const inline = { device: 'box', body: sampleEscalation('r2') };
    expect(await inputs.read(inline)).toEqual({ ok: true, value: inline.body });
  });

  it('[UPF2] are kept until the last question that names them is answered', async () => {
    const { inputs, open, isKept } = await fresh();
    const [first, second] = [open('r1'), open('r2')];
    for (const each of [first, second, first]) await inputs.keep(each);
    await inputs.release(first);
    expect(isKept()).toBe(true);
    await inputs.release(second);
    expect(isKept()).toBe(false);
  });

  it('are refused where the device has none such, and where they are too much for memory', async () => {
    const { inputs, open } = await fresh();
    const notFound = { error: { code: 'not_found', retryable: false } };
    expect(await inputs.read(open('r1', 'stranger'))).toMatchObject(notFound);
    const shorter = { ...ref, bytes: ref.bytes - 1 };
    expect(await inputs.read(open('r1', 'box', shorter))).toMatchObject(notFound);
    const huge = { ...ref, bytes: inputBytesMax + 1 };
    expect(await inputs.read(open('r1', 'box', huge))).toMatchObject({
      error: { code: 'too_large' },
    });
  });
});
