// The report, section by section: what is measured, and how it reads.

import { basename } from 'node:path';
import type { measure } from './measure.ts';
import type { CutOff } from './measurements/cut-off.ts';
import type { InferOptions } from './measurements/infer-latency.ts';
import type { LoopLag } from './measurements/loop-lag.ts';
import type { MeasurementName } from './registry.ts';
import { inRounds } from './rounds.ts';
import { type Latencies, median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';
import type { UpdatableModel } from './updated-models.ts';
import type { Workload } from './workload.ts';

export interface Effort {
  readonly rounds: number;
  readonly digitsRequests: number;
  readonly digitsImages: number;
  readonly model5msRequests: number;
  readonly model200msRuns: number;
  readonly cutOffRequests: number;
  readonly faults: { readonly skerrySeconds: number; readonly sednaSeconds: number };
  readonly escalationImages: number;
  readonly documentChanges: number;
  readonly deltaModels: readonly UpdatableModel[];
  readonly splits: number;
  readonly routingRepeats: number;
  readonly fleet: FleetEffort;
  readonly serving: ServingEffort;
  readonly secure: SecureEffort;
  /** Abstracts and questions to them; sentences of each intent. */
  readonly caches: {
    readonly documents: number;
    readonly questions: number;
    readonly each: number;
  };
  readonly vectors: { readonly rounds: number; readonly vectors: number; readonly queries: number };
  readonly providers: ProvidersEffort;
}

export interface ProvidersEffort {
  readonly rounds: number;
  readonly digitsBatches: readonly number[];
  readonly embedderBatches: readonly number[];
  /** Of one batch's runs in one process. */
  readonly forMs: number;
}

export interface SecureEffort {
  readonly cases: readonly { readonly values: number; readonly clients: number }[];
  readonly droppedShares: readonly number[];
}

export interface ServingEffort {
  readonly rounds: number;
  readonly firstPerSecond: { readonly digits: number; readonly model5ms: number };
  readonly mostPerSecond: number;
  readonly windowMs: number;
  readonly triesMax: number;
}

export interface FleetEffort {
  readonly devicesFirst: number;
  readonly devicesMost: number;
  /** Two fleets whose difference is what a device weighs. */
  readonly idleDevices: readonly [number, number];
  readonly intervalMs: number;
  readonly windowMs: number;
  readonly triesMax: number;
}

export interface Bench extends StandaloneBench {
  readonly workload: Workload;
}

/** Of a section that needs no workload prepared. */
export interface StandaloneBench {
  readonly effort: Effort;
  /** Where whoever started the bench says that something lies. */
  readonly paths: { readonly embedder?: string | undefined };
  readonly measure: <N extends MeasurementName>(
    name: N,
    options: Parameters<typeof measure<N>>[1],
  ) => ReturnType<typeof measure<N>>;
  readonly onCase: (name: string) => void;
}

export async function inferSection(bench: Bench): Promise<string> {
  const { digits, model5ms, confidentImages: images, folder } = bench.workload;
  const { digitsRequests, model5msRequests } = bench.effort;
  return [
    'The infer path over onnxruntime-node’s session.run, one request after the other',
    await inferTable(bench, { folder, images, bundle: digits, requests: digitsRequests }),
    await inferTable(bench, { folder, images, bundle: model5ms, requests: model5msRequests }),
  ].join('\n');
}

async function inferTable(bench: Bench, options: InferOptions): Promise<string> {
  const { measure, effort, onCase } = bench;
  const model = basename(options.bundle);
  const { raw, inProcess, http } = await inRounds(
    effort.rounds,
    {
      raw: () => measure('infer-raw', options),
      inProcess: () => measure('infer-in-process', options),
      http: () => measure('infer-http', options),
    },
    (name) => onCase(`infer ${model} ${name}`),
  );
  const row = (name: string, rounds: readonly Latencies[], isRatio = true): string[] => {
    const cells = (of: (latencies: Latencies) => number): string[] => {
      const values = rounds.map(of);
      const baselines = raw.map(of);
      const added = median(values.map((value, round) => value - (baselines[round] as number)));
      const compared = isRatio ? [ratio(medianRatio(values, baselines)), number(added)] : ['', ''];
      return [number(median(values)), ...compared];
    };
    return [name, ...cells(({ p50Ms }) => p50Ms), ...cells(({ p99Ms }) => p99Ms)];
  };
  const live = http.map((round) => round.live);
  const infer = http.map((round) => round.infer);
  return renderTable(
    [model, 'p50 ms', 'over raw', 'added ms', 'p99 ms', 'over raw', 'added ms'],
    [
      row('session.run', raw),
      row('the agent, in process', inProcess),
      row('the agent, over HTTP', infer),
      row('GET /v2/health/live', live, false),
    ],
  );
}

export async function loopSection(bench: Bench): Promise<string> {
  const { measure, workload, effort, onCase } = bench;
  const { folder, model200ms: bundle } = workload;
  const lagOf = (where: 'nowhere' | 'worker' | 'same-thread') => () =>
    measure('loop-lag', { folder, bundle, where, runs: effort.model200msRuns });
  const { idle, worker, same } = await inRounds(
    effort.rounds,
    { idle: lagOf('nowhere'), worker: lagOf('worker'), same: lagOf('same-thread') },
    (name) => onCase(`loop lag ${name}`),
  );
  const row = (name: string, rounds: readonly LoopLag[]): string[] => {
    const worstMs = rounds.map((round) => round.worstMs);
    const over = medianRatio(
      worstMs,
      same.map((round) => round.worstMs),
    );
    return [
      name,
      number(median(rounds.map(({ runMs }) => runMs))),
      number(median(rounds.map(({ p99Ms }) => p99Ms))),
      number(median(worstMs)),
      ratio(over),
    ];
  };
  return [
    'How late a 1 ms timer fires while a model of about 200 ms runs',
    renderTable(
      ['lateness', 'one run ms', 'p99 ms', 'worst ms', 'worst over same thread'],
      [
        row('session.run on the same thread', same),
        row('the agent, its model in the worker', worker),
        row('no model at all (what the machine adds)', idle),
      ],
    ),
  ].join('\n');
}

export async function cloudSections(bench: Bench): Promise<string> {
  const { measure, workload, effort, onCase } = bench;
  const { folder, images } = workload;
  const cutOffWith = (cloud: 'up' | 'black-hole') => () =>
    measure('cut-off', { folder, images, cloud, requests: effort.cutOffRequests });
  const { up, blackHole } = await inRounds(
    effort.rounds,
    { up: cutOffWith('up'), blackHole: cutOffWith('black-hole') },
    (name) => onCase(`cloud ${name}`),
  );
  return `${cutOffTable(up, blackHole)}\n\n${await bytesTable(bench, up)}`;
}

function cutOffTable(up: readonly CutOff[], blackHole: readonly CutOff[]): string {
  const row = (name: string, value: (round: CutOff) => number): string[] => [
    name,
    number(median(up.map(value))),
    number(median(blackHole.map(value))),
    ratio(medianRatio(blackHole.map(value), up.map(value))),
  ];
  const degraded = (rounds: readonly CutOff[]): string =>
    `${number(100 * median(rounds.map(({ degradedShare }) => degradedShare)))} %`;
  return [
    'An app’s requests over HTTP, the cloud up and black-holed (deadline 250 ms; app and cloud share these cores)',
    renderTable(
      ['ms', 'cloud up', 'black-holed', 'over up'],
      [
        row('exit at the edge, p50', ({ confident }) => confident.p50Ms),
        row('exit at the edge, p99', ({ confident }) => confident.p99Ms),
        row('unsure, p50', ({ unsure }) => unsure.p50Ms),
        row('unsure, p99', ({ unsure }) => unsure.p99Ms),
        row('unsure, worst', ({ unsureWorstMs }) => unsureWorstMs),
        ['unsure, answered degraded', degraded(up), degraded(blackHole), ''],
      ],
    ),
  ].join('\n');
}

async function bytesTable(bench: Bench, up: readonly CutOff[]): Promise<string> {
  const { folder, digits: bundle, images } = bench.workload;
  bench.onCase('escalation bytes');
  const requests = bench.effort.escalationImages;
  const bytes = await bench.measure('escalation-bytes', { folder, bundle, images, requests });
  const escalated = (name: string, value: number): string[] => [
    name,
    number(value),
    ratio(value / bytes.pixels),
    ratio(value / bytes.json),
  ];
  const asked = (name: string, value: number): string[] => [
    name,
    number(value),
    ratio(value / bytes.pixels),
  ];
  const each = (value: (round: CutOff) => number): number => median(up.map(value));
  return [
    `Bytes to the cloud (${number(100 * bytes.escalatedShare)} % of ${requests} test images escalate)`,
    renderTable(
      ['an escalated image', 'bytes', 'over pixels', 'over JSON'],
      [
        escalated('Open Inference Protocol, JSON', bytes.json),
        escalated('raw pixels', bytes.pixels),
        escalated('deflated pixels', bytes.pixelsDeflated),
        escalated('the whole escalation op', bytes.op),
        escalated('  its cut tensor, deflated', bytes.cutPacked),
        escalated('  its cut tensor, raw', bytes.cutRaw),
      ],
    ),
    renderTable(
      ['an asked image, on average', 'bytes', 'over pixels'],
      [
        asked('raw pixels of every image', bytes.pixels),
        asked('escalation ops', bytes.escalatedShare * bytes.op),
        asked(
          'up the wire, with MQTT and status',
          each(({ bytesUpEach }) => bytesUpEach),
        ),
        asked(
          'down the wire',
          each(({ bytesDownEach }) => bytesDownEach),
        ),
      ],
    ),
  ].join('\n');
}
