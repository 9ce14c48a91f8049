import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseManifest, zooDirectory } from '@skerry/models/node';
import { defined } from '@skerry/shared';
import { createKeySigner, sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { storeBytes } from '@skerry/sync-protocol/blobs';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createVirtualClock,
} from '@skerry/sync-protocol/testing';
import { expect, it } from 'vitest';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../../testing/memory-rollout-stores.ts';
import { createReadRegistered } from './read-registered.ts';
import { createRegistry } from './registry.ts';

/** The digits that ship, in a registry. */
async function world() {
  const blobs = createMemoryBlobStore();
  const registry = createRegistry({
    logs: createMemoryEventStore(createMemoryRolloutDisk()),
    blobs,
    references: createMemoryBlobReferences(),
    signer: unwrap(createKeySigner(generateKeyPairSync('ed25519').privateKey)),
    keys: [],
    clock: createVirtualClock(1_000),
  });
  const folder = join(zooDirectory, 'digits');
  const bytes = await readFile(join(folder, 'manifest.json'));
  const manifest = unwrap(parseManifest(bytes, 'manifest.json'));
  for (const variant of manifest.variants)
    for (const { path, sha256: digest, bytes } of Object.values(variant.files))
      unwrap(await storeBytes(blobs, { digest, bytes }, await readFile(join(folder, path))));
  unwrap(await registry.publish(bytes, 'ann'));
  const variant = defined(manifest.variants[1], 'a second variant');
  const name = { model: 'digits', version: manifest.version, variant: variant.digest };
  return { blobs, registry, folder, bytes, variant, name };
}

it('[REG8] reads the cloud’s stages of one variant', async () => {
  const { blobs, registry, folder, bytes, variant, name } = await world();
  const bundle = unwrap(await createReadRegistered(registry, blobs)(name));
  expect(bundle).toMatchObject({ digest: sha256(bytes), variant: { name: variant.name } });
  const cloud = await readFile(join(folder, defined(variant.files['cloud'], 'cloud').path));
  expect([...bundle.stages]).toEqual([['cloud', new Uint8Array(cloud)]]);
});

it('[REG8] knows no version or variant that is not there, nor one that is decommissioned', async () => {
  const { blobs, registry, name } = await world();
  const read = createReadRegistered(registry, blobs);
  const code = async (change: Partial<typeof name>) => {
    const bundle = await read({ ...name, ...change });
    return bundle.ok || bundle.error.code;
  };
  expect(await code({ version: '9.0.0' })).toBe('model_not_found');
  expect(await code({ variant: sha256(new Uint8Array()) })).toBe('digest_mismatch');
  unwrap(await registry.setState('digits', name.version, 'archived', 'old', 'ann'));
  expect(await code({})).toBe(true);
  unwrap(await registry.setState('digits', name.version, 'decommissioned', 'older', 'ann'));
  expect(await code({})).toBe('model_not_found');
});

it('[REG8] believes no blob that is not its digest', async () => {
  const { blobs, registry, name } = await world();
  const flipped = {
    async read(digest: string, offset: number, length: number) {
      const read = await blobs.read(digest, offset, length);
      return read.ok && length > 100_000
        ? { ok: true as const, value: read.value.with(7, 1 ^ (read.value[7] ?? 0)) }
        : read;
    },
  };
  expect(await createReadRegistered(registry, flipped)(name)).toMatchObject({
    error: { code: 'digest_mismatch' },
  });
});
