// The digits as BranchyNet reports them (Teerapittayanon et al., ICPR 2016, table I: LeNet on MNIST, 99.25 %, 94.3 % at
// the first exit, 5.4 times as fast), except that head, softmax and decision are timed here, which are not there.

import { readBundle } from '@skerry/models/node';
import { defined } from '@skerry/shared';
import { expectOk } from './in-process-agent.ts';
import type { Digits, DigitsOptions } from './measurements/digits.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

type Rounds = readonly Digits[];

/** One variant's rounds, both of its paths. */
interface Measured {
  readonly variant: string;
  readonly exits: Rounds;
  readonly whole: Rounds;
}

export async function digitsSection(bench: Bench): Promise<string> {
  const { manifest } = expectOk(await readBundle(bench.workload.digits, []));
  const measured = await measureVariants(
    bench,
    manifest.variants.map(({ name }) => name),
  );
  const first = defined(measured[0], 'a variant');
  const rows: string[][] = [];
  for (const each of measured)
    rows.push(await earlyRow(bench, each, first), row(each.variant, 'whole network', each.whole));
  return [
    `The ${bench.effort.digitsImages} test digits on one device, one thread: early exit, every part timed, over the whole network`,
    renderTable(
      [
        '',
        'accuracy %',
        'at the edge %',
        'µs an image',
        'over its own whole',
        'in CPU time',
        `over the whole in ${first.variant}`,
        'in CPU time',
        'bytes an image',
        'fewer than pixels',
      ],
      rows,
    ),
    'BranchyNet, its heads untimed: 99.25 %, 94.3 % at the first exit, 5.4 ×',
  ].join('\n');
}

/** All paths of all variants side by side: one variant is compared with another's whole network too. */
async function measureVariants(
  { measure, effort, workload, onCase }: Bench,
  variants: readonly string[],
): Promise<readonly Measured[]> {
  const run = (variant: string, path: DigitsOptions['path']) => () =>
    measure('digits', { bundle: workload.digits, variant, path, images: effort.digitsImages });
  const cases = variants.flatMap((variant) =>
    (['early-exit', 'whole'] as const).map(
      (path) => [`${variant} ${path}`, run(variant, path)] as const,
    ),
  );
  const rounds = await inRounds<Record<string, Digits>>(
    effort.rounds,
    Object.fromEntries(cases),
    (name) => onCase(`digits ${name}`),
  );
  const of = (name: string): Rounds => defined(rounds[name], name);
  return variants.map((variant) => ({
    variant,
    exits: of(`${variant} early-exit`),
    whole: of(`${variant} whole`),
  }));
}

async function earlyRow(
  { measure, effort, workload, onCase }: Bench,
  { variant, exits, whole }: Measured,
  first: Measured,
): Promise<string[]> {
  const { digits: bundle, folder, images } = workload;
  onCase(`digits ${variant} bytes`);
  const requests = effort.digitsImages;
  const sent = await measure('escalation-bytes', { folder, bundle, images, requests, variant });
  const bytesEach = sent.escalatedShare * sent.op;
  const speedUp = (over: Rounds, of: (round: Digits) => number): string =>
    ratio(medianRatio(over.map(of), exits.map(of)));
  const speedUps = [whole, first.whole].flatMap((over) => [
    speedUp(over, ({ imageMs }) => imageMs),
    speedUp(over, ({ imageCpuMs }) => imageCpuMs),
  ]);
  return [
    ...row(variant, 'early exit', exits),
    ...speedUps,
    number(bytesEach),
    ratio(sent.pixels / bytesEach),
  ];
}

function row(variant: string, path: string, rounds: Rounds): string[] {
  const percent = (of: (round: Digits) => number): string =>
    (100 * median(rounds.map(of))).toFixed(2);
  return [
    `${variant}, ${path}`,
    percent(({ accuracy }) => accuracy),
    percent(({ edgeShare }) => edgeShare),
    number(1000 * median(rounds.map(({ imageMs }) => imageMs))),
  ];
}
