// What all measurements work on, prepared once: MNIST's test images, those of them that exit at the edge, and two
// models that take longer than the digits.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTrusted, type Manifest, predict, type Runtime } from '@skerry/models';
import { createOnnxNativeRuntime, readBundle, zooDirectory } from '@skerry/models/node';
import { readMnist } from '@skerry/models/training';
import { assert, defined } from '@skerry/shared';
import { type Image, imageBytes, imageTensor } from './image.ts';
import { writeTimedBundle } from './timed-bundle.ts';

export interface Workload {
  readonly folder: string;
  /** Folders of bundles. */
  readonly digits: string;
  readonly model5ms: string;
  readonly model200ms: string;
  /** Files of images, one after the other. */
  readonly images: string;
  readonly confidentImages: string;
  close(): Promise<void>;
}

/** Test images among which the confident ones are looked for. */
const candidates = 1_000;

export async function prepareWorkload(): Promise<Workload> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-bench-'));
  const runtime = createOnnxNativeRuntime();
  const workload: Workload = {
    folder,
    digits: join(zooDirectory, 'digits'),
    model5ms: join(folder, 'model-5ms'),
    model200ms: join(folder, 'model-200ms'),
    images: join(folder, 'images.bin'),
    confidentImages: join(folder, 'confident-images.bin'),
    close: () => rm(folder, { recursive: true, force: true }),
  };
  const { pixels } = (await readMnist()).test;
  await writeFile(workload.images, pixels);
  await writeFile(workload.confidentImages, await confidentOf(pixels, workload.digits, runtime));
  await writeTimedBundle(workload.model5ms, 'model-5ms', 5, runtime);
  await writeTimedBundle(workload.model200ms, 'model-200ms', 200, runtime);
  await runtime.close();
  return workload;
}

/** The images of a file that `prepareWorkload` has written. */
export async function readImages(file: string): Promise<readonly Image[]> {
  const pixels = new Uint8Array(await readFile(file));
  return Array.from({ length: pixels.length / imageBytes }, (_, i) =>
    pixels.subarray(i * imageBytes, (i + 1) * imageBytes),
  );
}

/** The bundle's only edge stage, and its name. */
export async function readEdgeStage(
  folder: string,
): Promise<{ manifest: Manifest; stage: Uint8Array }> {
  const bundle = await readBundle(folder, ['edge']);
  assert(bundle.ok, `the bundle in ${folder} can be read`);
  const { manifest, stages } = bundle.value;
  return { manifest, stage: defined([...stages.values()][0], 'an edge stage') };
}

async function confidentOf(pixels: Image, bundle: string, runtime: Runtime) {
  const { manifest, stage } = await readEdgeStage(bundle);
  const [rule] = defined(manifest.variants[0], 'a variant').calibration.exits;
  assert(rule !== undefined, 'the first exit is calibrated');
  const session = await runtime.load(stage);
  assert(session.ok, 'the digits load');
  const confident: Image[] = [];
  for (let i = 0; i < candidates; i++) {
    const image = pixels.slice(i * imageBytes, (i + 1) * imageBytes);
    const ran = await session.value.run({ image: imageTensor(image.slice()) });
    assert(ran.ok, 'the digits run');
    const logits = defined(ran.value['logits'], 'logits').data as Float32Array;
    const prediction = predict(logits, rule.temperature);
    if (isTrusted(rule, { logits, prediction, cut: ran.value['cut'] })) confident.push(image);
  }
  return Buffer.concat(confident);
}
