// After the masked run: the devices that are left are asked what they hold, and learn once more with noise of their own. Each sum
// is held against what was dealt to them.

import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { LearnPromise } from './report.ts';
import type { DeviceDigits } from './tilted-digits.ts';

type Skerry = (...argv: string[]) => Promise<{ stdout: string }>;

const devicesMin = 3;
const bins = 4;
const brightest = 64;
const answerSchema = z.object({
  answer: z.object({
    whole: z.object({
      devices: z.int(),
      examples: z.int(),
      counts: z.record(z.string(), z.int()),
      rest: z.int(),
    }),
    withheld: z.array(z.string()),
  }),
});

/** One is killed, so that its devices are one fewer. */
export async function askMasked(
  skerry: Skerry,
  living: readonly DeviceDigits[],
): Promise<readonly LearnPromise[]> {
  const ask = async (id: string, ...more: string[]) => {
    const flags = ['--masked', '--devices-min', `${devicesMin}`, '--devices', `${living.length}`];
    const waited = ['--within', '60s', '--id', id, '--json'];
    const words = ['learn', 'query', 'digits', '1.0.0', ...flags, ...waited, ...more];
    const { stdout } = await skerry(...words);
    return answerSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).answer;
  };
  const seen = living.flatMap((device) => device.seen);
  const labels = await ask('labels');
  const truthOf = (label: string): number => seen.filter(({ truth }) => truth === label).length;
  const told = Object.entries(labels.whole.counts);
  const binOf = (pixels: Uint8Array): number => {
    const mean = pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length;
    return Math.min(bins - 1, Math.floor((mean / brightest) * bins));
  };
  const bright = await ask(
    'brightness',
    '--of',
    'mean',
    '--range',
    `0,${brightest}`,
    '--bins',
    `${bins}`,
  );
  const width = brightest / bins;
  const names = Array.from({ length: bins }, (_, bin) => `${bin * width}…${(bin + 1) * width}`);
  const truths = names.map((_, bin) => seen.filter(({ pixels }) => binOf(pixels) === bin).length);
  const shown = names.map((name) => bright.whole.counts[name]);
  return [
    {
      text: `asked behind masks, ${labels.whole.devices} devices hold ${labels.whole.examples} labels; ${labels.withheld.length} digits that fewer than ${devicesMin} of them have are withheld`,
      kept:
        labels.whole.examples === seen.length &&
        told.every(([label, count]) => count === truthOf(label)),
    },
    {
      text: `by their mean brightness, in ${bins} bins: ${shown.map((count) => count ?? '–').join(' ')}, as dealt`,
      kept: shown.every((count, bin) => count === undefined || count === truths[bin]),
    },
  ];
}

const privateRun = 'private';
const noiseMultiplier = 1;
const runSchema = z.object({
  phase: z.object({ kind: z.string() }),
  privacy: z.object({ epsilon: z.number(), delta: z.number() }),
  latest: z.array(z.object({ used: z.int(), noiseMultiplier: z.number() })),
  reasons: z.array(z.string()),
});

/** One round, in which each device adds its share of the noise before it masks. */
export async function learnPrivately(
  skerry: Skerry,
  planPath: string,
  living: number,
): Promise<readonly LearnPromise[]> {
  const plan = {
    id: privateRun,
    model: 'digits',
    base: '1.0.0',
    network: 'digits',
    rounds: 1,
    clients: { target: living, min: devicesMin, overSelect: 1 },
    eligibility: { idle: false },
    work: { epochs: 1, batch: 10, learningRate: 0.05, holdOut: 0.1 },
    masking: { stageMs: 20_000, thresholdMin: devicesMin },
    privacy: {
      distributed: { noiseMultiplier, clip: 0.5 },
      budget: { epsilonMax: 20, delta: 1e-3 },
    },
    timeouts: { gatherMs: 10_000, selectMs: 60_000, roundMs: 60_000 },
  };
  await writeFile(planPath, JSON.stringify(plan));
  const { stdout } = await skerry('learn', 'start', planPath, '--watch', '--json');
  const end = runSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  const [round] = end.latest;
  const expected = noiseMultiplier * Math.sqrt((round?.used ?? 0) / devicesMin);
  return [
    {
      text: `with shares of noise in each update a round is ${end.phase.kind}: ε ${end.privacy.epsilon.toFixed(2)} at δ ${end.privacy.delta} is paid, for z ${noiseMultiplier} of the fewest; of ${round?.used} devices it is ${round?.noiseMultiplier.toFixed(2)}`,
      kept:
        end.phase.kind === 'completed' && Math.abs((round?.noiseMultiplier ?? 0) - expected) < 1e-6,
    },
  ];
}
