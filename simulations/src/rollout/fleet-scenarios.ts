// What the simulated fleet is to show, each a run with its own end; the figures are the run's, the verdict is the oracle's.

import { type RolloutState, timeToSafe } from '@skerry/cloud-coordinator/rollouts';
import { goodBehaviour } from '@skerry/cloud-coordinator/testing';
import type { FleetViolation } from './fleet-oracle.ts';
import { type FleetRun, type FleetRunOptions, mostInAMinute, startFleetRun } from './fleet-run.ts';

export interface FleetResult {
  readonly name: string;
  readonly passed: boolean;
  readonly lines: readonly string[];
}

export interface FleetSize {
  readonly devices: number;
  readonly seed: number;
  readonly canary: number;
  readonly herdPerMinute: number;
  /** A regression of three points is seen after so many executed devices at most. */
  readonly executedMax: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const rough = { offlineShare: 0.2, flakyShare: 0.02 };
const isOver = ({ phase }: RolloutState): boolean => phase.kind !== 'running';
const given = { by: 'the simulation', reason: 'a fault was found late' };

/** A good version goes out to everybody who is there, and then to who comes back. */
export async function goodVersion(size: FleetSize): Promise<FleetResult> {
  const run = await startFleetRun({ ...size, ...rough });
  const violation = await run.pass(48 * hourMs, isOver);
  const { phase } = run.state();
  return result('a good version', run, violation, phase.kind === 'completed', [
    `${phase.kind} after ${hours(phase.sinceMs - run.startedMs)}: ${run.onCandidate()} of ${size.devices} devices run it`,
  ]);
}

/** Three points less accuracy, and in everything else as good as before. */
export async function threePointsWorse(size: FleetSize): Promise<FleetResult> {
  const { auditMiss } = goodBehaviour;
  const run = await startFleetRun({
    ...size,
    ...rough,
    behaviour: { auditMiss: auditMiss + 0.03 },
  });
  const violation =
    (await run.pass(48 * hourMs, isOver)) ?? (await run.pass(20 * minuteMs, () => false));
  const { phase, verdict } = run.state();
  const executed = run.waves().at(-1)?.executed ?? 0;
  const caught = phase.kind === 'rolled-back' && phase.wave === 0 && executed <= size.executedMax;
  return result('three points less accuracy', run, violation, caught, [
    `${phase.kind} in wave ${phase.wave} on ${executed} executed devices (at most ${size.executedMax} stated): ${verdict?.reasons.join('; ')}`,
    ...safety(run),
  ]);
}

/** After how many executed devices three points less were seen; `undefined` where the canary passed. */
export async function devicesToCatch(size: FleetSize): Promise<number | undefined> {
  const behaviour = { auditMiss: goodBehaviour.auditMiss + 0.03 };
  const run = await startFleetRun({ ...size, ...rough, behaviour });
  await run.pass(48 * hourMs, ({ phase }) => phase.kind !== 'running' || phase.wave > 0);
  return run.state().phase.wave > 0 ? undefined : run.waves().at(-1)?.executed;
}

/** Whether a version that is as good as the one before reaches the end. */
export async function goodVersionPasses(size: FleetSize): Promise<boolean> {
  const run = await startFleetRun({ ...size, ...rough });
  await run.pass(48 * hourMs, isOver);
  return run.state().phase.kind === 'completed';
}

/** Nobody saw it until everybody had it. */
export async function lateFault(size: FleetSize): Promise<FleetResult> {
  const run = await startFleetRun({ ...size, ...rough });
  const rollout = await run.pass(48 * hourMs, isOver);
  const exposed = run.onCandidate();
  await run.rollouts.rollBack('digits-1', given);
  const turned = rollout ?? (await run.pass(30 * minuteMs));
  const first = safety(run);
  const left = run.onCandidate();
  run.fleet.reconnectAll();
  const violation = turned ?? (await run.pass(30 * minuteMs));
  const owed = timeToSafe(run.state())?.owed.length;
  const moved = run.fetchesOf('incumbent');
  const clean = run.onCandidate() === 0 && owed === 0 && moved === 0;
  return result('a fault found late', run, violation, clean, [
    `${exposed} devices ran it when the rollback was ordered`,
    ...first,
    `${left} away still ran it then; when they had come back, ${run.onCandidate()}; the incumbent was fetched ${moved} times`,
  ]);
}

/** Half of the fleet is away, and comes back at one moment. */
export async function massReturn(size: FleetSize): Promise<FleetResult> {
  const run = await startFleetRun({ ...size, offlineShare: 0.5 });
  const before = await run.pass(48 * hourMs, isOver);
  run.fleet.reconnectAll();
  const backMs = run.nowMs();
  const violation = before ?? (await run.pass(24 * hourMs, allSettled));
  const fetched = run.fleet.fetches.map(({ atMs }) => atMs).filter((at) => at >= backMs);
  const done = allSettled(run.state());
  return result('half comes back at once', run, violation, done, [
    `${fetched.length} fetched in ${hours(run.nowMs() - backMs)}, at most ${mostInAMinute(fetched.sort((a, b) => a - b))} in a minute (${size.herdPerMinute} may be)`,
  ]);
}

const allSettled = ({ members }: RolloutState): boolean =>
  [...members.values()].every(({ progress }) => ['succeeded', 'failed'].includes(progress.kind));

/** Whether the oracle finds it, and by the rule that it should. */
export async function findsBug(options: FleetRunOptions & { readonly lateJoiners?: number }) {
  const run = await startFleetRun(options);
  let violation = await run.pass(10 * minuteMs);
  for (let i = 0; i < (options.lateJoiners ?? 0); i++) run.fleet.add(`late-${i}`);
  violation ??= await run.pass(48 * hourMs, isOver);
  // Long enough that the silent ones are given up.
  violation ??= await run.pass(3 * hourMs);
  if (violation !== undefined) return violation;
  await run.rollouts.rollBack('digits-1', given);
  return run.pass(30 * minuteMs);
}

function result(
  name: string,
  run: FleetRun,
  violation: FleetViolation | undefined,
  holds: boolean,
  lines: readonly string[],
): FleetResult {
  const replays = run.replays();
  return {
    name,
    passed: violation === undefined && holds && replays,
    lines: [
      ...waveTable(run),
      ...lines,
      ...(violation === undefined ? [] : [`violated: ${violation.rule}: ${violation.detail}`]),
      ...(replays ? [] : ['violated: the log does not fold to the state']),
    ],
  };
}

function safety(run: FleetRun): readonly string[] {
  const safe = timeToSafe(run.state());
  if (safe === undefined) return [];
  const { turned, p50Ms, p99Ms, lastMs, owed } = safe;
  const seconds = [p50Ms, p99Ms, lastMs].map((ms) => `${Math.round(ms / 1_000)} s`);
  return [
    `time to safe: ${turned} turned, p50 ${seconds[0]}, p99 ${seconds[1]}, last online device ${seconds[2]}; ${owed.length} away are owed`,
  ];
}

const hours = (ms: number): string => `${(ms / hourMs).toFixed(1)} h`;
const heads = [
  'wave',
  'size',
  'began',
  'took',
  'succeeded',
  'failed',
  'under way',
  'unreachable',
  'fetches',
  'most/min',
  'verdict',
];

function waveTable(run: FleetRun): readonly string[] {
  const rows = run.waves().map((row) => {
    const { succeeded, failed, underWay, waiting, unreachable } = row.tally;
    return [
      `${row.wave}`,
      `${row.size}`,
      `${row.beganMin} min`,
      `${row.tookMin} min`,
      `${succeeded}`,
      `${failed}`,
      `${underWay + waiting}`,
      `${unreachable}`,
      `${row.fetches}`,
      `${row.fetchesPerMinuteMost}`,
      row.verdict,
    ];
  });
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  return [heads, ...rows].map((row) =>
    row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  '),
  );
}
