// The digits as BranchyNet reports them (Teerapittayanon et al., ICPR 2016, table I: LeNet on MNIST, 99.25 %, 94.3 % at
// the first exit, 5.4 times as fast), except that head, softmax and decision are timed here, which are not there.

import { readBundle } from '@skerry/models/node';
import { expectOk } from './in-process-agent.ts';
import type { Digits } from './measurements/digits.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

export async function digitsSection(bench: Bench): Promise<string> {
  const { manifest } = expectOk(await readBundle(bench.workload.digits, []));
  const rows: string[][] = [];
  for (const { name } of manifest.variants) rows.push(...(await variantRows(bench, name)));
  return [
    `The ${bench.effort.digitsImages} test digits on one device, one thread: early exit, every part timed, over the whole network`,
    renderTable(
      [
        '',
        'accuracy %',
        'at the edge %',
        'µs an image',
        'speed-up',
        'in CPU time',
        'bytes an image',
        'fewer than pixels',
      ],
      rows,
    ),
    'BranchyNet, its heads untimed: 99.25 %, 94.3 % at the first exit, 5.4 ×',
  ].join('\n');
}

async function variantRows(bench: Bench, variant: string): Promise<string[][]> {
  const { measure, effort, workload, onCase } = bench;
  const { digits: bundle, folder, images } = workload;
  const run = (path: 'early-exit' | 'whole') => () =>
    measure('digits', { bundle, variant, path, images: effort.digitsImages });
  const { exits, whole } = await inRounds(
    effort.rounds,
    { exits: run('early-exit'), whole: run('whole') },
    (name) => onCase(`digits ${variant} ${name}`),
  );
  onCase(`digits ${variant} bytes`);
  const requests = effort.digitsImages;
  const sent = await measure('escalation-bytes', { folder, bundle, images, requests, variant });
  const bytesEach = sent.escalatedShare * sent.op;
  const percent = (rounds: readonly Digits[], of: (round: Digits) => number): string =>
    (100 * median(rounds.map(of))).toFixed(2);
  const speedUp = (of: (round: Digits) => number): string =>
    ratio(medianRatio(whole.map(of), exits.map(of)));
  const row = (name: string, rounds: readonly Digits[], ...more: string[]): string[] => [
    `${variant}, ${name}`,
    percent(rounds, ({ accuracy }) => accuracy),
    percent(rounds, ({ edgeShare }) => edgeShare),
    number(1000 * median(rounds.map(({ imageMs }) => imageMs))),
    ...more,
  ];
  return [
    row(
      'early exit',
      exits,
      speedUp(({ imageMs }) => imageMs),
      speedUp(({ imageCpuMs }) => imageCpuMs),
      number(bytesEach),
      ratio(sent.pixels / bytesEach),
    ),
    row('whole network', whole, '', '', ''),
  ];
}
