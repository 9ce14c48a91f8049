// From a run's weights to a version in the registry, with the bundle that ships and images that no device has.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { readMnist, selectImages } from '@skerry/models/training';
import { assert, err, failure, ok, type Result } from '@skerry/shared';
import { createKeySigner, sha256, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { storeBytes } from '@skerry/sync-protocol/blobs';
import { vectorBytes } from '@skerry/sync-protocol/learn';
import { createMemoryBlobReferences, createMemoryBlobStore } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import { sampleRollOut, sampleRunPlan } from '../testing/run-turns.ts';
import { createRegistry } from '../update/registry/index.ts';
import type { RolloutState } from '../update/rollouts/index.ts';
import { createBaseModels } from './base-models.ts';
import { createCandidates, nextVersion, rolloutName } from './candidates.ts';
import { begin } from './runs/fold-run.ts';
import type { RunPlan } from './runs/run-plan.ts';

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, 8, shape.length]);
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

const ofNetwork = { network: 'digits', trains: 'all' } as const;

async function world(trained: Pick<RunPlan, 'network' | 'trains'> = ofNetwork) {
  const folder = join(zooDirectory, 'digits');
  const manifest = readFileSync(join(folder, 'manifest.json'));
  const blobs = createMemoryBlobStore();
  const references = createMemoryBlobReferences();
  const registry = createRegistry({
    logs: createMemoryEventStore(createMemoryRolloutDisk()),
    blobs,
    references,
    signer: unwrap(createKeySigner(generateKeyPairSync('ed25519').privateKey)),
    keys: [],
    clock: systemClock,
  });
  const put = async (bytes: Uint8Array) => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    unwrap(await storeBytes(blobs, ref, bytes));
    return ref;
  };
  const { variants } = JSON.parse(manifest.toString()) as {
    variants: { files: Record<string, { path: string }> }[];
  };
  for (const { files } of variants)
    for (const { path } of Object.values(files)) await put(readFileSync(join(folder, path)));
  unwrap(await registry.publish(manifest, 'me'));
  const order = { model: 'digits', base: '1.0.0', ...trained };
  const base = unwrap(await createBaseModels({ registry, blobs }).open(order));
  const { test } = await readMnist();
  const { pixels, labels } = selectImages(
    test,
    Uint32Array.from({ length: 600 }, (_, i) => i),
  );
  const images = await put(idx([600, 28, 28], pixels));
  const plan = sampleRunPlan({
    model: order.model,
    base: order.base,
    heldOut: { images, labels: await put(idx([600], labels)) },
    candidate: {
      variants: [],
      rollOut: sampleRollOut(),
    },
  });
  const parameters = await put(vectorBytes(base.parameters.map((value) => value * 1.001)));
  const state = begin({
    kind: 'created',
    atMs: 0,
    by: 'ada',
    plan,
    base: { version: '1.0.0', bundle: base.bundle },
    learn: {
      version: 2,
      model: 'digits',
      base: base.bundle,
      network: base.network,
      trains: order.trains,
      layout: base.layout,
      compression: { kind: 'none' },
      seed: 1,
      epochs: 1,
      batch: 10,
      learningRate: 0.05,
      examplesMin: 1,
      examplesMax: 10,
      holdOut: 0,
    },
    model: { parameters, state: parameters },
    asynchronous: false,
  });
  const begun: string[] = [];
  const plans = new Map<string, { model: string; version: string }>();
  let answer: Result<void> = err(failure('invalid_argument', 'digits/1.1.0 is not signed'));
  const candidates = createCandidates({
    registry,
    blobs,
    references,
    clock: systemClock,
    rollouts: {
      get: (id) => (plans.has(id) ? ({ plan: plans.get(id) } as RolloutState) : undefined),
      async create({ id, model, version }) {
        if (!answer.ok) return answer;
        begun.push(`${id} ${version}`);
        plans.set(id, { model, version });
        return ok({} as RolloutState);
      },
    },
  });
  return { candidates, state, registry, begun, plans, sign: () => (answer = ok(undefined)) };
}

describe('a candidate', () => {
  it('[RND19] is a version of the registry with its run in its lineage and in its card, and the same once more', async () => {
    const { candidates, state, registry } = await world();
    expect(unwrap(await candidates.evaluate(state))['accuracy']).toBeGreaterThan(0.95);
    const made = unwrap(await candidates.publish(state));
    expect(made).toMatchObject({ version: '1.1.0' });
    expect(made.after).toBeGreaterThan(0.95);
    const version = unwrap(await registry.version('digits', '1.1.0'));
    expect(version).toMatchObject({ by: 'ada', description: { lineage: { run: 'run-1' } } });
    const manifest = unwrap(await registry.manifest(version.manifest));
    expect(manifest.lineage.recipe).toMatch(
      /^federated run run-1: 0 rounds of fedavg from 1\.0\.0/,
    );
    expect(manifest.card.limitations).toMatch(/No noise was added/);
    expect(unwrap(await candidates.publish(state)).manifest).toEqual(made.manifest);
    const bundle = unwrap(await registry.resolve('digits', '1.1.0'));
    assert(bundle.bundle.digest === made.manifest.digest, 'it may be rolled out');
  });

  it('[RND19] of a head has what was learned there, and the rest of its base to the byte', async () => {
    const { candidates, state, registry } = await world({ trains: 'head' });
    const measured = unwrap(await candidates.evaluate(state));
    expect(measured['accuracy']).toBe(measured['accuracyAtExit1']);
    const made = unwrap(await candidates.publish(state));
    const { lineage, variants } = unwrap(await registry.manifest(made.manifest));
    expect(lineage.recipe).toMatch(/, the head alone of its graph on devices$/);
    const base = unwrap(await registry.version('digits', '1.0.0'));
    const before = unwrap(await registry.manifest(base.manifest)).variants[0]?.files;
    expect(variants[0]?.files['cloud']).toEqual(before?.['cloud']);
    expect(variants[0]?.files['edge']?.sha256).not.toBe(before?.['edge']?.sha256);
  });

  it('[RND20] is rolled out once somebody has signed it, and once', async () => {
    const { candidates, state, begun, sign } = await world();
    expect(await candidates.rollOut(state, '1.1.0')).toMatchObject({ ok: false });
    sign();
    expect(await candidates.rollOut(state, '1.1.0')).toEqual({ ok: true, value: 'learn-run-1' });
    expect(await candidates.rollOut(state, '1.1.0')).toEqual({ ok: true, value: 'learn-run-1' });
    expect(begun).toEqual(['learn-run-1 1.1.0']);
  });

  it('[RND20] is not taken for another rollout of its name', async () => {
    const { candidates, state, plans, sign } = await world();
    sign();
    plans.set('learn-run-1', { model: 'digits', version: '0.9.0' });
    expect(await candidates.rollOut(state, '1.1.0')).toMatchObject({
      error: { message: 'learn-run-1 rolls out digits 0.9.0' },
    });
    const long = 'r'.repeat(63);
    const names = ['a', 'b'].map((end) => rolloutName(`${long}${end}`));
    expect(new Set(names).size).toBe(2);
    expect(names.map(({ length }) => length)).toEqual([64, 64]);
  });

  it('is the next minor version', () => {
    expect(['1.0.0', '1.9.3', '2.1.0-rc.1'].map(nextVersion)).toEqual(['1.1.0', '1.10.0', '2.2.0']);
  });
});
