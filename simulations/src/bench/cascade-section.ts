// Four MobileNets, imported as a cascade: what each says to three photos, how long it takes, and what passing a photo on
// weighs. Three photos show that the import is right, not how accurate anything is; and nothing calibrates the cascade,
// so no device would take a member but the last at its word.

import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { readBundle } from '@skerry/models/node';
import { envelopeBytesMax } from '@skerry/shared';
import { expectOk } from './in-process-agent.ts';
import { modelsCommand } from './models-command.ts';
import { readPhoto } from './photo.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { sharedData } from './shared-data.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

const members = [
  'mobilenet_v1_0.25_128_quant.onnx',
  'mobilenet_v1_0.5_160_quant.onnx',
  'mobilenet_v1_0.75_192_quant.onnx',
  'mobilenet_v2_1.0_224_quant.onnx',
];
const photoNames = ['cat_720p.jpg', 'hot_dog.jpg', 'parrot.jpg'];
const title = 'A cascade of four imported MobileNets, three photos, one thread';
const runsOfPhoto = 30;

export async function cascadeSection(bench: Bench): Promise<string> {
  const vision = sharedData('vision');
  if (vision === undefined) return `${title}\nskipped (1 case): needs ../shared/data/vision`;
  const { measure, effort, workload, onCase } = bench;
  const bundle = join(workload.folder, 'mobilenets');
  const photos = photoNames.map((name) => join(vision, name));
  onCase('import MobileNets');
  await modelsCommand(
    ...['import', members.map((name) => join(vision, name)).join(',')],
    ...['--labels', join(vision, 'imagenet_labels.txt'), '--out', bundle],
    ...['--mean', '128', '--scale', String(1 / 128)],
  );
  const { manifest, variant } = expectOk(await readBundle(bundle, []));
  const run = (stage: string) => () =>
    measure('cascade-member', { bundle, stage, photos, runs: runsOfPhoto });
  const cases = Object.fromEntries(manifest.stages.map(({ name }) => [name, run(name)]));
  const measured = await inRounds(effort.rounds, cases, (name) => onCase(`cascade ${name}`));

  const rounds = (stage: string): number[] => (measured[stage] ?? []).map(({ p50Ms }) => p50Ms);
  const answersOf = (stage: string) => measured[stage]?.[0]?.answers ?? [];
  const last = manifest.stages.at(-1)?.name ?? '';
  const rows = manifest.stages.map(({ name }, i) => [
    `${name}: ${members[i]?.replace('_quant.onnx', '')}`,
    number((variant.files[name]?.bytes ?? 0) / 1e6),
    number(median(rounds(name))),
    ratio(medianRatio(rounds(name), rounds(last))),
    ...answersOf(name).map(({ index, confidence }) => {
      const label = manifest.labels[index]?.split(',')[0] ?? '';
      return `${label} ${confidence.toFixed(2)}`;
    }),
    `${answersOf(name).filter(({ index }, p) => index === answersOf(last)[p]?.index).length} of ${photos.length}`,
  ]);
  const header = ['', 'MB', 'p50 ms', 'of the last’s', ...photoNames, 'as the last'];
  return [
    title,
    renderTable(header, rows),
    await weightOfPhotos(photos, manifest.inputs[0]?.shape),
  ].join('\n');
}

/** A cascade passes the input on, so an escalation is a photo. */
async function weightOfPhotos(
  photos: readonly string[],
  [, , height = 0, width = 0]: readonly number[] = [],
): Promise<string> {
  const sizes: number[] = [];
  for (const photo of photos) {
    const { data } = await readPhoto(photo, height, width);
    sizes.push(deflateSync(new Uint8Array(data.buffer)).byteLength);
  }
  const kilobytes = sizes.map((size) => number(size / 1e3)).join(', ');
  return `An escalation carries the photo: ${kilobytes} kB deflated, of ${number((3 * height * width) / 1e3)}; an envelope holds ${number(envelopeBytesMax / 1e3)}, a blob the others`;
}
