// A cascade of independent classifiers through the live agent and coordinator: who is unsure passes the photo itself on,
// from model to model on the device, and then, as a blob, to the largest in the cloud.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSampleCascade } from '@skerry/models/testing';
import { createRandom } from '@skerry/shared';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { modelsCommand } from '../bench/models-command.ts';
import { readPhoto } from '../bench/photo.ts';
import { sharedData } from '../bench/shared-data.ts';
import { startProcess } from '../fleet/process.ts';

const patience = { timeout: 30_000, interval: 50 };
const side = 224;

async function world(write: (folder: string) => Promise<unknown>) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-cascade-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const bundles = join(folder, 'bundle');
  await write(bundles);
  const start: typeof startProcess = async (kind, name, flags) => {
    const folders = { bundles, 'data-dir': join(folder, name), 'http-port': 0 };
    const process = await startProcess(kind, name, { ...folders, ...flags });
    onTestFinished(() => process.stop());
    return process;
  };
  const coordinator = await start('coordinator', 'coordinator', { 'mqtt-port': 0 });
  const agent = await start('agent', 'box', {
    device: 'box',
    broker: coordinator.mqttUrl ?? '',
    'coordinator-url': coordinator.httpUrl,
  });
  await vi.waitFor(async () => {
    const health = await (await fetch(`${agent.httpUrl}/healthz`)).json();
    expect(health).toMatchObject({ link: { state: 'up' } });
  }, patience);
  const { name } = JSON.parse(await readFile(join(bundles, 'manifest.json'), 'utf8'));
  return { agent, coordinator, model: String(name) };
}

const answerSchema = z.object({
  parameters: z.record(z.string(), z.unknown()).default({}),
  outputs: z.tuple([z.object({ data: z.tuple([z.string()]) })]),
});

async function ask(url: string, model: string, photo: Uint8Array) {
  const image = { name: 'image', shape: [1, 3, side, side], datatype: 'UINT8' };
  const inputs = [{ ...image, parameters: { binary_data_size: photo.byteLength } }];
  const parameters = { skerry_deadline_ms: 20_000 };
  const header = Buffer.from(JSON.stringify({ inputs, parameters, outputs: [{ name: 'label' }] }));
  const response = await fetch(`${url}/v2/models/${model}/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(header.byteLength) },
    body: Buffer.concat([header, photo]),
  });
  const { parameters: told, outputs } = answerSchema.parse(await response.json());
  return { source: told['source'], degraded: told['degraded'], label: outputs[0].data[0] };
}

const sentBlobs = async (url: string) => {
  const { transfers } = (await (await fetch(`${url}/v1/transfers`)).json()) as {
    transfers: { direction: string; phase: string }[];
  };
  return transfers.filter(({ direction, phase }) => direction === 'send' && phase === 'done')
    .length;
};

it('a photo passes two models on the device and goes to the third, in the cloud, as a blob', {
  timeout: 60_000,
}, async () => {
  const { agent, model } = await world((folder) => writeSampleCascade(folder, true, [2, 4, side]));
  const random = createRandom(1);
  // Noise, so that nothing of it deflates away; the bright channel is the label's.
  const photo = (bright: number) =>
    Uint8Array.from({ length: 3 * side * side }, (_, i) => {
      const channel = Math.floor(i / (side * side));
      return (random.uint32() % 128) + (channel === bright ? 128 : 0);
    });
  for (const [bright, label] of ['red', 'green'].entries())
    expect(await ask(agent.httpUrl, model, photo(bright))).toEqual({
      source: 'cloud',
      degraded: false,
      label,
    });
  expect(await sentBlobs(agent.httpUrl)).toBe(2);
});

const vision = sharedData('vision');

it.skipIf(vision === undefined)(
  'four MobileNets: the device has what the largest says of a photo',
  {
    timeout: 120_000,
  },
  async () => {
    const folder = vision ?? '';
    const members = ['v1_0.25_128', 'v1_0.5_160', 'v1_0.75_192', 'v2_1.0_224'];
    const files = members.map((member) => join(folder, `mobilenet_${member}_quant.onnx`)).join(',');
    const labels = join(folder, 'imagenet_labels.txt');
    const { agent, coordinator, model } = await world((out) =>
      modelsCommand(
        ...['import', files, '--labels', labels, '--out', out],
        ...['--mean', '128', '--scale', String(1 / 128)],
      ),
    );
    for (const name of ['cat_720p.jpg', 'hot_dog.jpg', 'parrot.jpg']) {
      const { data } = await readPhoto(join(folder, name), side, side);
      const photo = new Uint8Array(data.buffer);
      const { label } = await ask(coordinator.httpUrl, model, photo);
      expect(await ask(agent.httpUrl, model, photo)).toEqual({
        source: 'cloud',
        degraded: false,
        label,
      });
    }
    expect(await sentBlobs(agent.httpUrl)).toBeGreaterThan(0);
  },
);
