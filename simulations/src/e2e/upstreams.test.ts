// One coordinator computes for another: a real Open Inference Protocol server as upstream, and what happens when it dies.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { writeSampleBundle } from '@skerry/models/testing';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { startProcess } from '../fleet/process.ts';

async function startCoordinator(
  name: string,
  flags: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
) {
  const folder = await mkdtemp(join(tmpdir(), `skerry-${name}-`));
  const settings = {
    bundles: join(zooDirectory, 'digits'),
    'data-dir': folder,
    'http-port': 0,
    'mqtt-port': 0,
    ...flags,
  };
  const coordinator = await startProcess('coordinator', name, settings, [], environment);
  onTestFinished(async () => {
    await coordinator.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { ...coordinator, folder };
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

it('one behind TLS computes for who believes its authority and has its operator’s key, and for nobody else', async () => {
  const key = 'the-operator-token-of-the-far-coordinator';
  const far = await startCoordinator('far', { tls: 'on', 'operator-token': key });
  expect(far.httpUrl).toMatch(/^https:/);
  const near = async (apiKey: string, environment: Readonly<Record<string, string>>) => {
    const upstream = { name: 'far', kind: 'open-inference', url: far.httpUrl, apiKey };
    const { httpUrl } = await startCoordinator(
      'near',
      { upstreams: JSON.stringify([upstream]) },
      environment,
    );
    expect(await inferDigit(httpUrl)).toBe('1');
    const seen = await getJson(`${httpUrl}/v1/upstreams`);
    return z.object({ upstreams: z.array(z.looseObject({})) }).parse(seen).upstreams[0];
  };
  const authority = { NODE_EXTRA_CA_CERTS: join(far.folder, 'authority.crt') };
  const [trusting, stranger, keyless] = await Promise.all([
    near(key, authority),
    near(key, {}),
    near('another-key', authority),
  ]);
  expect(trusting).toMatchObject({ name: 'far', succeeded: 1, failed: 0 });
  for (const refused of [stranger, keyless])
    expect(refused).toMatchObject({ name: 'far', succeeded: 0 });
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
