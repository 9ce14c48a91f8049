import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { knownNetworks, parametersOf } from '@skerry/models/training';
import { createKeySigner, sha256, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { storeBytes } from '@skerry/sync-protocol/blobs';
import { layoutSize, tensorsOf } from '@skerry/sync-protocol/learn';
import { createMemoryBlobReferences, createMemoryBlobStore } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import { createRegistry } from '../update/registry/index.ts';
import { createBaseModels } from './base-models.ts';

async function registered() {
  const folder = join(zooDirectory, 'digits');
  const manifest = readFileSync(join(folder, 'manifest.json'));
  const blobs = createMemoryBlobStore();
  const registry = createRegistry({
    logs: createMemoryEventStore(createMemoryRolloutDisk()),
    blobs,
    references: createMemoryBlobReferences(),
    signer: unwrap(createKeySigner(generateKeyPairSync('ed25519').privateKey)),
    keys: [],
    clock: systemClock,
  });
  const { variants } = JSON.parse(manifest.toString()) as {
    variants: { files: Record<string, { path: string }> }[];
  };
  for (const { files } of variants)
    for (const { path } of Object.values(files)) {
      const bytes = readFileSync(join(folder, path));
      unwrap(await storeBytes(blobs, { digest: sha256(bytes), bytes: bytes.length }, bytes));
    }
  unwrap(await registry.publish(manifest, 'me'));
  return { bases: createBaseModels({ registry, blobs }), bundle: sha256(manifest) };
}

describe('the base of a run', () => {
  const plan = { model: 'digits', base: '1.0.0', network: 'digits', trains: 'all' as const };

  it('[RND18] is a version of the registry, with the weights that lie in its files', async () => {
    const { bases, bundle } = await registered();
    const base = unwrap(await bases.open(plan));
    expect(base).toMatchObject({ version: '1.0.0', bundle });
    const parameters = parametersOf(knownNetworks.digits.network);
    expect(base.layout.tensors.map(({ name }) => name)).toEqual(parameters.map(({ name }) => name));
    expect(base.parameters).toHaveLength(layoutSize(base.layout));
    for (const tensor of unwrap(tensorsOf(base.layout, base.parameters)).values())
      expect(Math.hypot(...tensor)).toBeGreaterThan(0);
  });

  it('[QRY1] is known by its labels alone, to a query', async () => {
    const { bases, bundle } = await registered();
    const digits = Array.from({ length: 10 }, (_, digit) => `${digit}`);
    expect(unwrap(await bases.describe(plan))).toEqual({
      version: '1.0.0',
      bundle,
      labels: digits,
    });
    expect(await bases.describe({ ...plan, base: '9.0.0' })).toMatchObject({ ok: false });
  });

  it('[RND18] is, without a network, the graph that devices run, whole or its head, as the file has it', async () => {
    const { bases } = await registered();
    const { network: _, ...ofGraph } = plan;
    const whole = unwrap(await bases.open(ofGraph));
    const head = unwrap(await bases.open({ ...ofGraph, trains: 'head' }));
    expect(head.network).toMatchObject({ kind: 'bundle', variant: 'fp32' });
    const names = head.layout.tensors.map(({ name }) => name);
    expect(names.length).toBe(4);
    expect(names.every((name) => name.startsWith('edge.head.'))).toBe(true);
    // All but what makes the cut, on which no answer of a device depends.
    expect(whole.layout.tensors.map(({ name }) => name)).toEqual(
      parametersOf(knownNetworks.digits.network).flatMap(({ name }) =>
        /^edge\.(trunk|head)/.test(name) ? [name] : [],
      ),
    );
    const [weight] = names;
    const of = (base: typeof head) => unwrap(tensorsOf(base.layout, base.parameters));
    const network = unwrap(await bases.open(plan));
    expect(of(head).get(weight ?? '')).toEqual(of(network).get(weight ?? ''));
  });

  it('[RND18] is refused where it is not there, or is another network', async () => {
    const { bases } = await registered();
    expect(await bases.open({ ...plan, base: '9.0.0' })).toMatchObject({
      error: { code: 'model_not_found' },
    });
    for (const network of ['2nn', 'other'])
      expect(await bases.open({ ...plan, network })).toMatchObject({
        error: { code: 'invalid_argument' },
      });
    expect(await bases.open({ ...plan, trains: 'head' })).toMatchObject({
      error: {
        code: 'invalid_argument',
        message: expect.stringContaining('leave out the network'),
      },
    });
  });
});
