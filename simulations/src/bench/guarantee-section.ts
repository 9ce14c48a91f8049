// The escalation guarantee, put to the test: thresholds from one part of the images, their risk on the others, over and over.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { methodNames, methods } from '@skerry/models/calibration';
import type { Guarantee, GuaranteeCase } from './measurements/guarantee.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

/** Made by `npm run train -- fashion --seed 1 --out .skerry/fashion`. */
const fashionBundle = fileURLToPath(new URL('../../../.skerry/fashion', import.meta.url));
const fashionImages = '/usr/share/datasets/fashion-mnist';

const digitsCases: readonly GuaranteeCase[] = [
  { loss: 'error', epsilon: 0.003, examples: 1_000 },
  { loss: 'error', epsilon: 0.003, examples: 5_000 },
  { loss: 'gap', epsilon: 0.003, examples: 5_000 },
];
const fashionCases: readonly GuaranteeCase[] = [
  { loss: 'error', epsilon: 0.05, examples: 1_000 },
  { loss: 'error', epsilon: 0.05, examples: 5_000 },
  { loss: 'gap', epsilon: 0.02, examples: 200 },
  { loss: 'gap', epsilon: 0.01, examples: 1_000 },
  { loss: 'gap', epsilon: 0.01, examples: 5_000 },
  { loss: 'disagreement', epsilon: 0.03, examples: 1_000 },
  { loss: 'divergence', epsilon: 0.03, examples: 1_000 },
];

export async function guaranteeSection(bench: Bench): Promise<string> {
  const { digits } = bench.workload;
  const parts = [await splitsTable(bench, 'digits', digits, digitsCases)];
  const missing = [fashionImages, fashionBundle].filter((path) => !existsSync(path));
  if (missing.length > 0) parts.push(`1 model skipped, fashion: ${missing.join(' and ')} missing`);
  else {
    parts.push(await splitsTable(bench, 'fashion', fashionBundle, fashionCases));
    parts.push(await fashionTable(bench));
  }
  return parts.join('\n\n');
}

async function splitsTable(
  { measure, effort, onCase }: Bench,
  name: string,
  bundle: string,
  cases: readonly GuaranteeCase[],
): Promise<string> {
  onCase(`guarantee ${name}`);
  const { splits } = effort;
  const found: Guarantee = await measure('guarantee', { bundle, splits, cases });
  const rows = found.cases.map((each) => [
    `${each.loss} ≤ ${100 * each.epsilon} %, n = ${each.examples}`,
    ...methodNames.map((method) => each.methods[method].exceededShare.toFixed(3)),
    ...methodNames.map((method) => each.methods[method].exceededOfAllShare.toFixed(3)),
    ...methodNames.map((method) => (100 * each.methods[method].escalatedMean).toFixed(1)),
  ]);
  return [
    `${name}: over ${splits} splits of ${found.pool} images, how often the risk on the rest exceeded its bound (δ = 0.1);`,
    'of all: calibration drawn with replacement, the risk taken on all images, which is what the guarantees speak of; %: escalated',
    renderTable(
      [
        '',
        ...methodNames.map(short),
        ...methodNames.map((method) => `${short(method)} of all`),
        ...methodNames.map((method) => `${short(method)} %`),
      ],
      rows,
    ),
    ...methodNames.map((method) => `  ${short(method)} = ${method}: ${methods[method].guarantee}`),
    `  one decision (probabilities, domain, threshold): ${number(found.decisionUs)} µs`,
  ].join('\n');
}

const shorts = { 'learn-then-test': 'LTT', 'conformal-risk-control': 'CRC', quantile: 'naive' };
const short = (method: keyof typeof shorts): string => shorts[method];

async function fashionTable({ measure, effort, onCase }: Bench): Promise<string> {
  const run = (path: 'early-exit' | 'whole') => () =>
    measure('digits', {
      bundle: fashionBundle,
      variant: 'fp32',
      path,
      images: effort.digitsImages,
    });
  const { exits, whole } = await inRounds(
    effort.rounds,
    { exits: run('early-exit'), whole: run('whole') },
    (name) => onCase(`fashion ${name}`),
  );
  const share = (of: readonly number[]): string => (100 * median(of)).toFixed(2);
  const speedUp = medianRatio(
    whole.map(({ imageCpuMs }) => imageCpuMs),
    exits.map(({ imageCpuMs }) => imageCpuMs),
  );
  return [
    `Fashion-MNIST, ${effort.digitsImages} test images, one thread, every part timed`,
    renderTable(
      ['', 'accuracy %', 'at the edge %', 'speed-up in CPU time'],
      [
        [
          'early exit',
          share(exits.map(({ accuracy }) => accuracy)),
          share(exits.map(({ edgeShare }) => edgeShare)),
          ratio(speedUp),
        ],
        ['whole network', share(whole.map(({ accuracy }) => accuracy)), '', ''],
      ],
    ),
  ].join('\n');
}
