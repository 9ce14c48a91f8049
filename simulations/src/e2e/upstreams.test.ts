// One coordinator computes for another: a real Open Inference Protocol server as upstream, and what happens when it dies.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { writeSampleBundle } from '@skerry/models/testing';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { startProcess } from '../fleet/process.ts';

async function startCoordinator(name: string, flags: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), `skerry-${name}-`));
  const coordinator = await startProcess('coordinator', name, {
    bundles: join(zooDirectory, 'digits'),
    'data-dir': folder,
    'http-port': 0,
    'mqtt-port': 0,
    ...flags,
  });
  onTestFinished(async () => {
    await coordinator.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return coordinator;
}

const statsSchema = z.object({ model_stats: z.tuple([z.object({ inference_count: z.number() })]) });
const labelSchema = z.object({ outputs: z.tuple([z.object({ data: z.tuple([z.string()]) })]) });

const getJson = async (url: string): Promise<unknown> => (await fetch(url)).json();

async function inferences(url: string): Promise<number> {
  const stats = statsSchema.parse(await getJson(`${url}/v2/models/digits/stats`));
  return stats.model_stats[0].inference_count;
}

async function inferDigit(url: string): Promise<string> {
  const data = Array.from({ length: 28 * 28 }, (_, i) => (i % 28 === 14 ? 255 : 0));
  const inputs = [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'UINT8', data }];
  const body = JSON.stringify({ inputs, outputs: [{ name: 'label' }] });
  const reply = await fetch(`${url}/v2/models/digits/infer`, { method: 'POST', body });
  return labelSchema.parse(await reply.json()).outputs[0].data[0];
}

it('a coordinator lets another compute, and computes itself when that is gone', async () => {
  const far = await startCoordinator('far');
  const upstreams = [{ name: 'far', kind: 'open-inference', url: far.httpUrl }];
  const near = await startCoordinator('near', { upstreams: JSON.stringify(upstreams) });
  const label = await inferDigit(near.httpUrl);
  expect(label).toBe('1');
  expect(await inferences(far.httpUrl)).toBe(1);
  await far.kill();
  expect(await inferDigit(near.httpUrl)).toBe(label);
  expect(await getJson(`${near.httpUrl}/v1/upstreams`)).toMatchObject({
    upstreams: [
      { name: 'far', succeeded: 1, failed: 1 },
      { name: 'embedded', succeeded: 1 },
    ],
  });
}, 60_000);

it('a model that only an upstream has is served as if it were ours', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-sample-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeSampleBundle(folder);
  const far = await startCoordinator('far', { bundles: folder });
  const upstreams = [
    { name: 'far', kind: 'open-inference', url: far.httpUrl, models: { ours: 'sample' } },
  ];
  const near = await startCoordinator('near', { upstreams: JSON.stringify(upstreams) });
  const [theirs, ours] = await Promise.all([
    getJson(`${far.httpUrl}/v2/models/sample`),
    getJson(`${near.httpUrl}/v2/models/ours`),
  ]);
  const { inputs, outputs, versions } = theirs as Record<string, unknown>;
  expect(ours).toMatchObject({ name: 'ours', inputs, outputs, versions });
  expect(await getJson(`${near.httpUrl}/v2/models`)).toEqual({
    models: ['digits', 'digits.cloud', 'ours'],
  });
  const ask = async (url: string, model: string) => {
    const image = { name: 'image', shape: [1, 1, 2, 2], datatype: 'UINT8', data: [255, 0, 0, 255] };
    const body = JSON.stringify({ inputs: [image] });
    const reply = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body });
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
  };
  const answer = await ask(near.httpUrl, 'ours');
  expect(answer).toMatchObject({ status: 200, body: { model_name: 'ours' } });
  expect(answer.body['outputs']).toEqual((await ask(far.httpUrl, 'sample')).body['outputs']);
  const ready = async () => (await fetch(`${near.httpUrl}/v2/models/ours/ready`)).status;
  expect(await ready()).toBe(200);
  await far.kill();
  expect(await ask(near.httpUrl, 'ours')).toMatchObject({ status: 503 });
}, 60_000);
