// npm run train -- digits --seed 1 [--epochs n] [--threads n] [--out directory]
// Trains a model from scratch, calibrates and measures it, and writes its bundle.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildImageBundle, type ImageBundle } from './image-bundle.ts';
import { imageModels } from './image-models.ts';
import { createProgress } from './progress.ts';
import { splitImages } from './split-images.ts';
import { trainNetwork } from './train-network.ts';
import { writeBundle } from './write-bundle.ts';

const usage =
  'usage: npm run train -- digits|fashion [--seed 1] [--epochs n] [--threads 2] [--out directory]\n';

async function main(): Promise<number> {
  const chosen = readOptions();
  if (chosen === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const { model, seed, epochs, threads, out } = chosen;
  const images = splitImages(await model.readImages(), seed);
  const { training } = images;
  process.stdout.write(`${model.name}: ${training.count} images, ${epochs} epochs, seed ${seed}\n`);

  const onStep = createProgress(process.stdout, () => performance.now());
  const recipe = { ...model.recipe, epochs };
  const weights = await trainNetwork(model.network, training, recipe, { seed, threads, onStep });
  const inputs = { weights, images, seed, epochs };
  const bundle = await buildImageBundle(model, inputs);
  process.stdout.write(report(bundle));
  await writeBundle(out, bundle);
  process.stdout.write(`bundle: ${out}\n`);
  return 0;
}

const options = {
  seed: { type: 'string', default: '1' },
  epochs: { type: 'string' },
  threads: { type: 'string', default: '2' },
  out: { type: 'string' },
} as const;

/** Undefined for a command line that is not one of ours. */
function readOptions() {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options });
    const [name, ...more] = positionals;
    const model = Object.values(imageModels).find((m) => m.name === name);
    if (model === undefined || more.length > 0) return undefined;
    const numbers = [values.seed, values.epochs ?? model.recipe.epochs, values.threads].map(Number);
    const [seed = 0, epochs = 0, threads = 0] = numbers;
    const valid = numbers.every(Number.isInteger) && seed >= 0 && epochs > 0 && threads > 0;
    const out = values.out ?? join(tmpdir(), `skerry-${model.name}`);
    if (valid) return { model, seed, epochs, threads, out };
  } catch {
    // An unknown flag, or one without its value: the usage says which there are.
  }
  return undefined;
}

function report({ manifest, measurement: m }: ImageBundle): string {
  const [exit1] = manifest.variants[0]?.calibration.exits ?? [];
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return [
    'on the 10 000 test images:',
    `  accuracy at exit 1 (edge)    ${percent(m.accuracyAtExit1)}`,
    `  accuracy at exit 2 (cloud)   ${percent(m.accuracyAtExit2)}`,
    `  answered at the edge         ${percent(m.shareAtEdge)}  (confidence ≥ ${exit1?.threshold?.toFixed(5)})`,
    `  answered there and wrong     ${percent(m.riskAtEdge)}  (bound ${percent(exit1?.epsilon ?? 1)} at δ = ${exit1?.delta})`,
    `  accuracy end to end          ${percent(m.accuracyEndToEnd)}`,
    `  bytes of a cut               ${m.cutBytes}, ${m.cutBytesDeflated.toFixed(0)} deflated\n`,
  ].join('\n');
}

process.exitCode = await main();
