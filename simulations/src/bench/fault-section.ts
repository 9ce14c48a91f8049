// What an app notices of a faulty way to the cloud: with Skerry, as a ratio to the healthy way in the same round, and with
// a client that behaves as Sedna's.

import { type Fault, faults } from '../net/fault-proxy.ts';
import type { FaultyCloud } from './measurements/faulty-cloud.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

const names = Object.keys(faults) as Fault[];

export async function faultSection(bench: Bench): Promise<string> {
  const { measure, workload, effort, onCase } = bench;
  const { folder, digits: bundle, images } = workload;
  const { skerrySeconds, sednaSeconds } = effort.faults;
  const run = (device: 'skerry' | 'sedna', fault: Fault, seconds: number) => () =>
    measure('faulty-cloud', { folder, bundle, images, device, fault, seconds });
  const cases = Object.fromEntries(
    names.map((fault) => [fault, run('skerry', fault, skerrySeconds)]),
  ) as Record<Fault, () => Promise<FaultyCloud>>;
  const skerry = await inRounds(effort.rounds, cases, (name) => onCase(`skerry, ${name}`));
  const sedna = {} as Record<Fault, FaultyCloud>;
  for (const fault of names) {
    onCase(`as Sedna, ${fault}`);
    sedna[fault] = await run('sedna', fault, sednaSeconds)();
  }
  const healthy = skerry.none;
  const rows = names.map((fault) => {
    const rounds = skerry[fault];
    const of = (read: (round: FaultyCloud) => number) => number(median(rounds.map(read)));
    const p99 = (round: FaultyCloud): number => round.confident.p99Ms;
    return [
      faults[fault],
      of(({ confident }) => confident.p50Ms),
      of(p99),
      ratio(medianRatio(rounds.map(p99), healthy.map(p99))),
      of(({ unsureWorstMs }) => unsureWorstMs),
      of(({ answersPerSecond }) => answersPerSecond),
      String(rounds.reduce((sum, { refused }) => sum + refused, 0)),
      worst(sedna[fault]),
      number(sedna[fault].answersPerSecond),
    ];
  });
  return [
    'An app that asks one image after the other while the way to the cloud is faulty (deadline 250 ms); as Sedna: five',
    `tries three seconds apart, no timeout, edge and app in one process, ${sednaSeconds} s, one run`,
    renderTable(
      [
        '',
        'edge p50',
        'edge p99 ms',
        'over healthy',
        'unsure worst',
        'answers/s',
        'refused',
        'as Sedna: worst',
        'answers/s',
      ],
      rows,
    ),
  ].join('\n');
}

const worst = ({ hung, unsureWorstMs }: FaultyCloud): string =>
  hung ? `> ${number(unsureWorstMs)}` : number(unsureWorstMs);
