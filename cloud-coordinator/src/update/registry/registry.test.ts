import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { defined, ok, parseJson } from '@skerry/shared';
import { createKeySigner, sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { audiences, storeBytes } from '@skerry/sync-protocol/blobs';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createVirtualClock,
} from '@skerry/sync-protocol/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../../testing/memory-rollout-stores.ts';
import { createRegistry, type RegistryBounds } from './registry.ts';

const newSigner = () => unwrap(createKeySigner(generateKeyPairSync('ed25519').privateKey));

let manifest: Uint8Array;
const files: Uint8Array[] = [];
beforeAll(async () => {
  const folder = join(zooDirectory, 'digits');
  manifest = await readFile(join(folder, 'manifest.json'));
  for (const name of ['edge.onnx', 'cloud.onnx', 'edge.int8.onnx', 'cloud.int8.onnx'])
    files.push(await readFile(join(folder, name)));
});

/** The same bundle by another version. */
const versioned = (version: string, change: Record<string, unknown> = {}): Uint8Array => {
  const json = unwrap(parseJson(manifest, 'manifest')) as Record<string, unknown>;
  return new TextEncoder().encode(JSON.stringify({ ...json, version, ...change }));
};

async function world() {
  const disk = createMemoryRolloutDisk();
  const blobs = createMemoryBlobStore();
  const references = createMemoryBlobReferences();
  const clock = createVirtualClock(1_000);
  const signer = newSigner();
  const open = (with_ = signer, bounds?: RegistryBounds) => {
    const logs = createMemoryEventStore(disk);
    return createRegistry({ logs, blobs, references, signer: with_, keys: [], clock }, bounds);
  };
  const put = async (bytes: Uint8Array) => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    unwrap(await storeBytes(blobs, ref, bytes));
  };
  return { disk, blobs, references, clock, open, put, registry: open() };
}

/** With three versions. */
async function filled() {
  const it = await world();
  for (const file of files) await it.put(file);
  for (const version of ['1.0.1', '1.1.0', '2.0.0'])
    unwrap(await it.registry.publish(versioned(version), 'ann'));
  return it;
}

describe('the registry', () => {
  it('[REG1] takes a bundle in when its files are there, says which lack, and keeps them all', async () => {
    const { registry, put, references } = await world();
    expect(unwrap(await registry.publish(manifest, 'ann'))).toMatchObject({
      lacking: [0, 2, 1, 3].map((i) => {
        const bytes = defined(files[i], 'a file');
        return { digest: sha256(bytes), bytes: bytes.length };
      }),
    });
    expect(unwrap(await registry.models())).toEqual([]);
    expect(references.digests()).toEqual([]);
    for (const file of files) await put(file);
    const published = unwrap(await registry.publish(manifest, 'ann', { revision: 'f00d' }));
    const digest = sha256(manifest);
    expect(published).toMatchObject({ model: 'digits', manifest: { digest } });
    const [edge, cloud, edgeInt8, cloudInt8] = files.map(sha256);
    for (const shown of [digest, edge, edgeInt8])
      expect(references.owners(defined(shown, 'a file'))).toEqual([audiences.models]);
    // What the cloud runs is kept, and no device's.
    for (const kept of [cloud, cloudInt8])
      expect(references.owners(defined(kept, 'a file'))).toEqual(['registry']);
    const { version } =
      unwrap(await registry.model('digits'))
        .versions.values()
        .next().value ?? {};
    const held = unwrap(await registry.version('digits', defined(version, 'a version')));
    expect(held.description.lineage).toMatchObject({ revision: 'f00d' });
    expect(held.description.variants.map(({ name }) => name)).toEqual(['fp32', 'int8']);
    expect(unwrap(await registry.manifest(held.manifest)).name).toBe('digits');
  });

  it('[REG1] refuses what is no manifest, and a variant that is not its files', async () => {
    const { registry } = await world();
    const nothing = new TextEncoder().encode('{}');
    expect(await registry.publish(nothing, 'ann')).toMatchObject({
      error: { code: 'invalid_bundle' },
    });
    const otherFile = new TextDecoder()
      .decode(manifest)
      .replace(sha256(defined(files[0], 'a file')), sha256(nothing));
    expect(await registry.publish(new TextEncoder().encode(otherFile), 'ann')).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
  });

  it('[REG2] a version never changes: the same bytes again are nothing new, others are refused', async () => {
    const { registry } = await filled();
    unwrap(await registry.publish(versioned('1.1.0'), 'bob'));
    expect(unwrap(await registry.history('digits'))).toHaveLength(3);
    const other = versioned('1.1.0', { licence: 'other' });
    expect(await registry.publish(other, 'bob')).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    expect(registry.keeps(sha256(other))).toBe(false);
  });

  it('[REG3] an alias moves, each move an event of somebody; a device asks for no alias', async () => {
    const { registry, open } = await filled();
    unwrap(await registry.moveAlias('digits', 'champion', '1.1.0', 'ann'));
    unwrap(await registry.moveAlias('digits', 'champion', '2.0.0', 'bob'));
    expect(unwrap(await registry.resolve('digits', 'champion'))).toMatchObject({
      version: '2.0.0',
      target: 'digits/2.0.0/manifest.json',
    });
    expect(unwrap(await open().history('digits')).slice(3)).toMatchObject([
      { kind: 'alias-moved', by: 'ann', version: '1.1.0' },
      { kind: 'alias-moved', by: 'bob', version: '2.0.0' },
    ]);
    unwrap(await registry.moveAlias('digits', 'champion', undefined, 'bob'));
    expect(await registry.resolve('digits', 'champion')).toMatchObject({
      error: { code: 'model_not_found' },
    });
    expect(await registry.moveAlias('digits', 'champion', '9.9.9', 'bob')).toMatchObject({
      error: { code: 'model_not_found' },
    });
  });

  it('[REG4] what is archived is not rolled out until it is active again, what is decommissioned never', async () => {
    const { registry } = await filled();
    const set = (state: 'active' | 'archived' | 'decommissioned') =>
      registry.setState('digits', '1.0.1', state, 'old', 'ann');
    unwrap(await set('archived'));
    expect(await registry.resolve('digits', '1.0.1')).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    unwrap(await set('active'));
    unwrap(await registry.resolve('digits', '1.0.1'));
    unwrap(await registry.moveAlias('digits', 'old', '1.0.1', 'ann'));
    expect(await set('archived')).toMatchObject({ error: { code: 'invalid_argument' } });
    unwrap(await registry.moveAlias('digits', 'old', undefined, 'ann'));
    unwrap(await set('decommissioned'));
    expect(await set('active')).toMatchObject({ error: { code: 'invalid_argument' } });
    const held = unwrap(await registry.version('digits', '1.0.1'));
    expect(unwrap(await registry.byDigest('digits', held.manifest.digest))).toMatchObject({
      version: '1.0.1',
    });
  });

  it('[REG4] the files of what is decommissioned are nobody’s, but where another version has them too', async () => {
    const { registry } = await filled();
    const edge = sha256(defined(files[0], 'a file'));
    const end = (version: string) =>
      registry.setState('digits', version, 'decommissioned', 'old', 'ann');
    for (const version of ['1.0.1', '1.1.0']) unwrap(await end(version));
    expect(registry.keeps(edge)).toBe(true);
    unwrap(await end('2.0.0'));
    expect(registry.keeps(edge)).toBe(false);
  });

  it('[REG5] an event that is taken out, changed, moved or not ours shows', async () => {
    const { disk, registry, open } = await filled();
    unwrap(await registry.moveAlias('digits', 'champion', '1.1.0', 'ann'));
    const log = defined(disk.logs.get('digits'), 'a log');
    const whole = [...log];
    const damaged: Record<string, string[]> = {
      'taken out': whole.filter((_, i) => i !== 1),
      moved: [whole[1], whole[0], ...whole.slice(2)].map(String),
      changed: whole.map((text, i) => (i === 2 ? text.replace(/"sig":"../, '"sig":"AA') : text)),
    };
    for (const [how, events] of Object.entries(damaged)) {
      disk.logs.set('digits', events);
      const read = await open().history('digits');
      expect(read.ok ? how : 'shows').toBe('shows');
    }
    disk.logs.set('other', whole);
    expect((await open().history('other')).ok).toBe(false);
    disk.logs.delete('other');
    disk.logs.set('digits', whole);
    expect((await open().history('digits')).ok).toBe(true);
    expect(await open(newSigner()).history('digits')).toMatchObject({
      error: { code: 'untrusted' },
    });
  });

  it('[REG6] of two coordinators that write at once both are heard, one after the other', async () => {
    const { registry, open } = await filled();
    const done = await Promise.all([
      registry.moveAlias('digits', 'a', '1.1.0', 'ann'),
      open().moveAlias('digits', 'b', '1.1.0', 'bob'),
    ]);
    expect(done).toEqual([ok(undefined), ok(undefined)]);
    expect([...unwrap(await open().model('digits')).aliases.keys()].sort()).toEqual(['a', 'b']);
  });

  it('[REG9] a history ends at a stated size: then things are taken away, and nothing is given', async () => {
    const { registry, open } = await filled();
    unwrap(await registry.moveAlias('digits', 'champion', '1.1.0', 'ann'));
    const full = open(undefined, { eventsMax: 4, modelsMax: 1 });
    const refused = { error: { code: 'too_large', message: expect.stringContaining('4 events') } };
    expect(await full.publish(versioned('9.0.0'), 'ann')).toMatchObject(refused);
    expect(await full.moveAlias('digits', 'champion', '2.0.0', 'ann')).toMatchObject(refused);
    expect(await full.publish(versioned('1.0.0', { name: 'other' }), 'ann')).toMatchObject({
      error: { code: 'too_large', message: expect.stringContaining('1 models') },
    });
    // What is there already is there, and what must not run any more is not kept in use by a full log.
    unwrap(await full.publish(versioned('2.0.0'), 'ann'));
    unwrap(await full.moveAlias('digits', 'champion', undefined, 'ann'));
    unwrap(await full.setState('digits', '1.1.0', 'archived', 'worse', 'ann'));
    expect(await full.setState('digits', '1.1.0', 'active', 'no', 'ann')).toMatchObject(refused);
    unwrap(await full.setState('digits', '1.1.0', 'decommissioned', 'worse', 'ann'));
    expect(unwrap(await open().history('digits'))).toHaveLength(7);
  });

  it('compares two versions by what they measure, hold and were made of', async () => {
    const { registry } = await filled();
    const json = unwrap(parseJson(manifest, 'manifest')) as {
      card: { metrics: Record<string, number> };
      variants: { name: string }[];
    };
    const better = { ...json.card, metrics: { ...json.card.metrics, accuracy: 0.999 } };
    const only = json.variants.filter(({ name }) => name === 'fp32');
    unwrap(
      await registry.publish(
        versioned('3.0.0', { card: better, variants: only, licence: 'MIT' }),
        'ann',
      ),
    );
    const compared = unwrap(await registry.compare('digits', '2.0.0', '3.0.0'));
    expect(compared).toMatchObject({
      variants: { added: [], removed: ['int8'], same: ['fp32'] },
      licence: { to: 'MIT' },
      data: { added: [], removed: [] },
    });
    expect(compared.metrics).toContainEqual(
      expect.objectContaining({ of: 'card', metric: 'accuracy', to: 0.999 }),
    );
  });
});
