// Models on disk that change while they are served.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResidency, type Runtime, tensorOf } from '@skerry/models';
import { createOnnxNativePool, readVariants } from '@skerry/models/node';
import { writeSampleBundle } from '@skerry/models/testing';
import { defined, ok, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { HostLimits } from './hosted-model.ts';
import { openModelHost } from './model-host.ts';

const limits: HostLimits = {
  threads: 1,
  slots: 1,
  rowsMax: 4,
  delayMs: 0,
  priorities: 3,
  queueRowsMax: 100,
  timeoutAction: 'reject',
  defaultTimeoutMs: 0,
  allowTimeoutOverride: true,
};

interface Fixture {
  readonly delayMs?: number;
  readonly named?: readonly string[];
  readonly slots?: number;
  readonly memoryBytesMax?: number;
  readonly createRuntime?: () => Runtime;
}

async function fresh({
  delayMs = 0,
  named = [],
  slots = 1,
  memoryBytesMax = 2 ** 30,
  createRuntime = createOnnxNativePool(2).createRuntime,
}: Fixture = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-host-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeSampleBundle(folder);
  const residency = createResidency(memoryBytesMax);
  const readBundles = () => readVariants(folder, ['edge', 'cloud']);
  const host = await openModelHost(
    unwrap(await readBundles()),
    {
      version: '0',
      modelControl: 'explicit',
      limitsOf: () => ({ ...limits, delayMs, slots }),
      named,
    },
    {
      readBundles,
      createRuntime,
      residency,
      clock: systemClock,
      log: silentLog,
      ready: () => true,
      onBatch() {},
    },
  );
  if (host.ok) onTestFinished(host.value.close);
  return { folder, host, residency };
}

/** What the bundle in `folder` calls itself from now on. */
async function release(folder: string, version: string, imageBytes: number): Promise<void> {
  await writeSampleBundle(folder, imageBytes);
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...manifest, version }));
}

type Host = Awaited<ReturnType<typeof fresh>>['host'];

/** What it says to an image of so many bytes, whose first says left. */
async function ask(host: Host, imageBytes: number) {
  const models = unwrap(host).server.models();
  const model = defined(
    models.findLast(({ description }) => description.name === 'sample'),
    'the model',
  );
  const pixels = Array.from({ length: imageBytes }, (_, i) => (i === imageBytes - 2 ? 255 : 0));
  const image = unwrap(tensorOf('UINT8', [1, 1, 2, imageBytes / 2], pixels));
  const request = { inputs: { image }, parameters: {}, binary: () => false };
  const answer = await model.infer(request, { signal: () => new AbortController().signal });
  return { version: model.description.version, answer };
}

it('a new version on disk is served once it is loaded, with what it takes', async () => {
  const { folder, host } = await fresh();
  expect(await ask(host, 4)).toMatchObject({ version: '1.0.0', answer: { ok: true } });
  await release(folder, '2.0.0', 6);
  expect(await ask(host, 4)).toMatchObject({ version: '1.0.0', answer: { ok: true } });
  unwrap((await unwrap(host).server.repository?.load('sample')) ?? { ok: true, value: undefined });
  expect(await ask(host, 6)).toMatchObject({ version: '2.0.0', answer: { ok: true } });
  expect(unwrap(host).halves()).toMatchObject([{ version: '2.0.0', input: { shape: [1, 4] } }]);
});

it('a new version that is damaged is refused, and the one before it goes on', async () => {
  const { folder, host } = await fresh();
  await release(folder, '2.0.0', 6);
  await writeFile(join(folder, 'cloud.onnx'), 'damaged');
  expect(await unwrap(host).server.repository?.load('sample')).toMatchObject({ ok: false });
  expect(await ask(host, 4)).toMatchObject({ version: '1.0.0', answer: { ok: true } });
});

it('what the version before was asked is answered by it, though another has taken its place', async () => {
  const { folder, host } = await fresh({ delayMs: 600 });
  const asked = ask(host, 4);
  await release(folder, '2.0.0', 6);
  const loading = unwrap(host).server.repository?.load('sample');
  expect(await asked).toMatchObject({ version: '1.0.0', answer: { ok: true } });
  expect(await loading).toMatchObject({ ok: true });
  expect((await ask(host, 6)).version).toBe('2.0.0');
});

it('a setting for a model that is not here is refused', async () => {
  const { host } = await fresh({ named: ['sample', 'smaple'] });
  expect(host).toMatchObject({
    error: { code: 'invalid_config', message: expect.stringContaining('smaple') },
  });
});

it('models share the memory: what does not fit beside the others comes back when it is asked', async () => {
  const alone = await fresh();
  const oneBytes = alone.residency.bytes();
  const memoryBytesMax = Math.round(1.5 * oneBytes);
  const { host, residency } = await fresh({ slots: 2, memoryBytesMax });
  const both = await Promise.all([ask(host, 4), ask(host, 4), ask(host, 4), ask(host, 4)]);
  for (const { answer } of both) expect(answer).toMatchObject({ ok: true });
  expect(residency.bytes()).toBeLessThanOrEqual(memoryBytesMax);
  const small = await fresh({ memoryBytesMax: 1_024 });
  expect(small.host).toMatchObject({ error: { code: 'too_large' } });
});

it('[PRV1] a model’s metadata say what it runs on, and why on nothing better', async () => {
  const createRuntime = (): Runtime => {
    const runtime = createOnnxNativePool(1).createRuntime();
    const refused = [{ provider: 'cuda' as const, reason: 'not here' }];
    return {
      ...runtime,
      async load(bytes, options) {
        const session = await runtime.load(bytes, options);
        if (!session.ok) return session;
        return ok({ ...session.value, execution: () => ({ provider: 'webgpu', refused }) });
      },
    };
  };
  const propertiesOf = (host: Host) => unwrap(host).server.models()[0]?.description.properties;
  expect(propertiesOf((await fresh({ createRuntime })).host)).toMatchObject({
    execution_providers: 'webgpu',
    execution_refusals: 'cuda: not here',
  });
  expect(propertiesOf((await fresh()).host)).not.toHaveProperty('execution_providers');
});
