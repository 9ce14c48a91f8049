// A rollout for a person: the waves, what the gate has seen, and why it stands where it stands. Pure.

import type { RolloutSummary, RolloutView } from '../http/rollout-views.ts';
import { drawTable } from './draw-table.ts';

export function drawRollouts(rollouts: readonly RolloutSummary[]): string {
  const rows = rollouts.map(({ id, model, version, phase, reasons }) => [
    id,
    `${model} ${version}`,
    phase.kind,
    phase.wave,
    reasons.join('; '),
  ]);
  return drawTable(['rollout', 'version', 'phase', 'wave', 'why'], rows);
}

export function drawRollout(view: RolloutView): string {
  const { id, model, version, bundle, phase, reasons } = view;
  return [
    `${id}: ${model} ${version} ${bundle}`,
    `${phase.kind}, wave ${phase.wave}${phase.reason === undefined ? '' : `: ${phase.reason}`}`,
    ...reasons,
    '',
    drawWaves(view),
    ...drawVerdict('the gate says now', view.gate),
    ...drawVerdict(`the gate said of wave ${view.verdict?.wave}`, view.verdict),
    ...drawExperiment(view.experiment),
    ...drawSafety(view.timeToSafe),
  ].join('\n');
}

function drawWaves({ waves, phase }: RolloutView): string {
  const rows = waves.map(({ devices, approval }, wave) => [
    wave,
    stateOf(wave, phase, approval),
    devices.members,
    devices.succeeded,
    devices.failed,
    devices.refused,
    devices.underWay,
    devices.waiting,
    devices.unreachable,
    devices.exempt,
  ]);
  const head = ['wave', '', 'devices', 'succeeded', 'failed', 'refused', 'under way', 'waiting'];
  return drawTable([...head, 'unreachable', 'exempt'], rows);
}

function stateOf(wave: number, phase: RolloutView['phase'], approval: boolean): string {
  if (wave < phase.wave || phase.kind === 'completed') return 'over';
  if (wave === phase.wave) return phase.kind;
  return approval ? 'to be approved' : '';
}

function drawVerdict(title: string, verdict: RolloutView['gate']): readonly string[] {
  if (verdict === undefined) return [];
  const rows = verdict.evidence.map((each) => [
    each.sign,
    each.finding,
    percent(each.candidate),
    percent(each.incumbent),
    `${percent(each.lower)} … ${percent(each.upper)}`,
    percent(each.limit),
    each.trials,
    each.devices,
  ]);
  const head = [
    'sign',
    'finding',
    'candidate',
    'incumbent',
    'rise within',
    'limit',
    'answers',
    'devices',
  ];
  return [
    '',
    `${title}: ${verdict.verdict}`,
    ...verdict.reasons.map((reason) => `  ${reason}`),
    ...(rows.length === 0 ? [] : [drawTable(head, rows)]),
  ];
}

function drawExperiment(experiment: RolloutView['experiment']): readonly string[] {
  if (experiment === undefined) return [];
  const { candidateDevices, controlDevices, mismatch, effects } = experiment;
  const rows = effects.map(({ sign, devices, estimate, lower, upper, finding }) => [
    sign,
    finding,
    percent(estimate),
    `${percent(lower)} … ${percent(upper)}`,
    devices,
  ]);
  return [
    '',
    `experiment: ${candidateDevices} devices with the candidate, ${controlDevices} without${mismatch ? '; the arms are not as they were drawn: nothing follows from it' : ''}`,
    drawTable(['sign', 'finding', 'effect', 'within', 'devices'], rows),
  ];
}

function drawSafety(safe: RolloutView['timeToSafe']): readonly string[] {
  if (safe === undefined) return [];
  const { turned, p50Ms, p99Ms, lastMs, owed, owedDevices } = safe;
  const names = owedDevices.slice(0, 10).join(', ');
  return [
    '',
    `turned back: ${turned} devices, half of them within ${seconds(p50Ms)}, 99 % within ${seconds(p99Ms)}, the last heard after ${seconds(lastMs)}`,
    ...(owed === 0
      ? []
      : [`still to be turned when they come back: ${owed} (${names}${owed > 10 ? ', …' : ''})`]),
  ];
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const percent = (share: number | undefined): string =>
  share === undefined ? '' : `${(100 * share).toFixed(2)} %`;
