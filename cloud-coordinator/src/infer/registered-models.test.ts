// Cloud halves of versions that came by update, over a registry in memory.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResidency, tensorOf } from '@skerry/models';
import { type Bundle, createOnnxNativePool, readBundle } from '@skerry/models/node';
import { writeSampleBundle } from '@skerry/models/testing';
import { err, failure, ok, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createCloudModels } from './cloud-models.ts';
import { openHostedModel } from './hosted-model.ts';
import {
  createRegisteredModels,
  registeredModelsMax,
  type VariantName,
} from './registered-models.ts';

/** Versions in a registry; each of another scale, and so of another variant, unless all have one. */
async function registryOf(count: number, scaleOf = (i: number): number => i + 1) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-registered-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const bundles: Bundle[] = [];
  for (let i = 0; i < count; i++) {
    const at = join(folder, String(i));
    await writeSampleBundle(at, 4, { version: `1.${i}.0`, scale: scaleOf(i) });
    bundles.push(unwrap(await readBundle(at, ['cloud'])));
  }
  const reads: string[] = [];
  let fails = 0;
  let throws = 0;
  const models = createRegisteredModels({
    async read({ version, variant }) {
      reads.push(version);
      const found = bundles.find((bundle) => bundle.manifest.version === version);
      if (throws-- > 0) throw new Error('a bug');
      if (fails-- > 0) return err(failure('storage_failed', 'the disk is away'));
      if (found === undefined) return err(failure('model_not_found', `no ${version}`));
      return found.variant.digest === variant ? ok(found) : err(failure('digest_mismatch', 'no'));
    },
    open: (bundle) =>
      openHostedModel(
        bundle,
        {
          threads: 1,
          slots: 1,
          rowsMax: 4,
          delayMs: 0,
          priorities: 3,
          queueRowsMax: 100,
          timeoutAction: 'reject',
          defaultTimeoutMs: 0,
          allowTimeoutOverride: true,
        },
        {
          createRuntime: createOnnxNativePool(1).createRuntime,
          residency: createResidency(2 ** 30),
          clock: systemClock,
          log: silentLog,
          onBatch() {},
        },
      ),
    clock: systemClock,
    log: silentLog,
  });
  onTestFinished(models.close);
  const name = (i: number): VariantName => {
    const { manifest, variant } = bundles[i] as Bundle;
    return { model: manifest.name, version: manifest.version, variant: variant.digest };
  };
  return {
    models,
    reads,
    name,
    failNext: (times: number) => {
      fails = times;
    },
    throwNext: () => {
      throws = 1;
    },
  };
}

const cut = unwrap(tensorOf('UINT8', [1, 2], [255, 0]));
const urgency = { deadlineLeftMs: 1_000 };

it('[REG7] the half of a version is read once, when the first escalations ask for it', async () => {
  const { models, reads, name } = await registryOf(2);
  expect(models.halves()).toEqual([]);
  const halves = await Promise.all([1, 1, 1].map((i) => models.half(name(i))));
  for (const half of halves) {
    const logits = unwrap(await unwrap(half).run(cut, urgency));
    expect(logits[0]).toBeGreaterThan(logits[1] as number);
  }
  expect(reads).toEqual(['1.1.0']);
  expect(models.halves()).toMatchObject([name(1)]);
});

it('[REG7] what could not be read is tried again by who asks next', async () => {
  const { models, name, failNext } = await registryOf(1);
  failNext(1);
  expect(await models.half(name(0))).toMatchObject({ error: { code: 'storage_failed' } });
  expect(await models.half(name(0))).toMatchObject({ ok: true });
});

it('[REG7] two versions of the same bytes are each answered as themselves', async () => {
  const { models, name } = await registryOf(2, () => 1);
  expect(name(0).variant).toBe(name(1).variant);
  for (const i of [0, 1, 0]) expect(unwrap(await models.half(name(i)))).toMatchObject(name(i));
  expect(models.halves()).toMatchObject([name(1), name(0)]);
});

it('[REG7] what throws while it opens fails its asker alone, and is tried again by the next', async () => {
  const { models, name, throwNext } = await registryOf(1);
  throwNext();
  expect(await models.half(name(0))).toMatchObject({ error: { code: 'internal' } });
  expect(await models.half(name(0))).toMatchObject({ ok: true });
});

it('[REG7] no more than so many are open, and one that had to go comes back', async () => {
  const { models, reads, name } = await registryOf(registeredModelsMax + 1);
  for (let i = 0; i < registeredModelsMax; i++) unwrap(await models.half(name(i)));
  // Asked again, the first is not the one asked longest ago.
  unwrap(await models.half(name(0)));
  unwrap(await models.half(name(registeredModelsMax)));
  expect(models.halves()).toHaveLength(registeredModelsMax);
  expect(models.halves().map(({ version }) => version)).not.toContain('1.1.0');
  const back = unwrap(await models.half(name(1)));
  expect(unwrap(await back.run(cut, urgency))).toHaveLength(2);
  expect(reads.filter((version) => version === '1.1.0')).toHaveLength(2);
  expect(reads.filter((version) => version === '1.0.0')).toHaveLength(1);
});

it('[REG7] who asks for versions that nobody has pushes nobody out', async () => {
  const { models, reads, name } = await registryOf(registeredModelsMax);
  const all = Array.from({ length: registeredModelsMax }, (_, i) => name(i));
  for (const each of all) unwrap(await models.half(each));
  for (let i = 0; i < registeredModelsMax; i++)
    expect(await models.half({ ...name(0), version: `9.${i}.0` })).toMatchObject({
      error: { code: 'model_not_found' },
    });
  expect(models.halves()).toHaveLength(registeredModelsMax);
  for (const each of all) unwrap(await models.half(each));
  expect(reads.filter((version) => !version.startsWith('9.'))).toHaveLength(registeredModelsMax);
});

it('[REG7] no more than so many are opened at once', async () => {
  const { models, name } = await registryOf(1);
  const asked = Array.from({ length: registeredModelsMax + 1 }, (_, i) =>
    models.half({ ...name(0), version: `9.${i}.0` }),
  );
  const codes = (await Promise.all(asked)).map((half) => !half.ok && half.error.code);
  expect(codes.filter((code) => code === 'model_not_found')).toHaveLength(registeredModelsMax);
  expect(codes.at(-1)).toBe('overloaded');
  expect(await models.half(name(0))).toMatchObject({ ok: true });
});

it('[REG7] an escalation of a version that came by update is answered; of one that nobody has it is said what is here', async () => {
  const { models, name } = await registryOf(1);
  const cloud = createCloudModels(() => [], models.half);
  const escalation = {
    kind: 'escalation',
    requestId: '01JCQ6V6T0000000000000000A',
    stage: 'cloud',
    input: {
      name: 'cut',
      datatype: 'UINT8',
      shape: [1, 2],
      codec: 'raw',
      data: Uint8Array.of(255, 0),
    },
    local: { exit: 1, label: 0, confidence: 0.5 },
    deadlineLeftMs: 1_000,
    reason: 'low-confidence',
  };
  const ask = (change: Partial<VariantName>) =>
    cloud.answer({ ...escalation, ...name(0), ...change } as never);
  expect(await ask({})).toMatchObject({ value: { kind: 'answered', variant: name(0).variant } });
  expect(await ask({ version: '9.0.0' })).toMatchObject({ error: { code: 'model_not_found' } });
  expect(await ask({ variant: `sha256:${'0'.repeat(64)}` })).toMatchObject({
    error: { code: 'digest_mismatch' },
  });
});
