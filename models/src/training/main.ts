// npm run train -- digits --seed 1 [--epochs n] [--threads n] [--out directory]
// Trains a model of the zoo from scratch, calibrates and measures it, and writes its bundle.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { digitsNetwork, digitsRecipe } from './digits.ts';
import { buildDigitsBundle, type DigitsBundle } from './digits-bundle.ts';
import { readMnist } from './mnist.ts';
import { createProgress } from './progress.ts';
import { splitImages } from './split-images.ts';
import { trainNetwork } from './train-network.ts';
import { writeBundle } from './write-bundle.ts';

const usage =
  'usage: npm run train -- digits [--seed 1] [--epochs 14] [--threads 2] [--out directory]\n';

async function main(): Promise<number> {
  const chosen = readOptions();
  if (chosen === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const { seed, epochs, threads, out } = chosen;
  const mnist = await readMnist();
  const { training, ...data } = splitImages(mnist, seed);
  process.stdout.write(`digits: ${training.count} images, ${epochs} epochs, seed ${seed}\n`);

  const onStep = createProgress(process.stdout, () => performance.now());
  const recipe = { ...digitsRecipe, epochs };
  const weights = await trainNetwork(digitsNetwork, training, recipe, { seed, threads, onStep });
  const bundle = await buildDigitsBundle({ weights, ...data, seed, epochs });
  process.stdout.write(report(bundle));
  await writeBundle(out, bundle);
  process.stdout.write(`bundle: ${out}\n`);
  return 0;
}

const options = {
  seed: { type: 'string', default: '1' },
  epochs: { type: 'string', default: String(digitsRecipe.epochs) },
  threads: { type: 'string', default: '2' },
  out: { type: 'string', default: join(tmpdir(), 'skerry-digits') },
} as const;

/** Undefined for a command line that is not one of ours. */
function readOptions() {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options });
    const numbers = [values.seed, values.epochs, values.threads].map(Number);
    const [seed = 0, epochs = 0, threads = 0] = numbers;
    const valid = numbers.every(Number.isInteger) && seed >= 0 && epochs > 0 && threads > 0;
    if (positionals.join() === 'digits' && valid) return { seed, epochs, threads, out: values.out };
  } catch {
    // An unknown flag, or one without its value: the usage says which there are.
  }
  return undefined;
}

function report({ manifest, measurement: m }: DigitsBundle): string {
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
