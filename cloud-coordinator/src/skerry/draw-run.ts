// A learning run for a person: how far it is, what each round has come to, and why it stands where it stands. Pure.

import type { RunSummary, RunView } from '../http/learn-views.ts';
import { drawTable } from './draw-table.ts';
import { drawTally } from './draw-tally.ts';

const barWidth = 30;
const roundsDrawnMax = 12;

export function drawRuns(runs: readonly RunSummary[]): string {
  const rows = runs.map(({ id, model, base, strategy, phase, round, rounds, reasons }) => [
    id,
    `${model} ${base.version}`,
    strategy,
    phase.kind,
    `${round}/${rounds}`,
    reasons.join('; '),
  ]);
  return drawTable(['run', 'from', 'strategy', 'phase', 'rounds', 'why'], rows);
}

export function drawRun(view: RunView): string {
  const { id, model, base, strategy, learns, round, rounds, phase, reasons, latest, clients } =
    view;
  const { answer } = view;
  const done = Math.round((round / rounds) * barWidth);
  const bar = `${'█'.repeat(done)}${'·'.repeat(barWidth - done)}`;
  const asked = Object.entries(clients).map(([kind, count]) => `${count} ${kind}`);
  return [
    `${id}: ${model} from ${base.version}, ${strategy}, ${learns}`,
    `${bar} ${round} of ${rounds} rounds, ${phase.kind}`,
    ...reasons,
    ...(asked.length === 0 ? [] : [`devices: ${asked.join(', ')}`]),
    ...(latest.length === 0 ? [] : ['', drawRounds(latest)]),
    ...(answer === undefined ? [] : ['', drawTally(answer)]),
  ].join('\n');
}

function drawRounds(latest: RunView['latest']): string {
  const rows = latest
    .slice(-roundsDrawnMax)
    .map(
      ({ round, attempts, clients, used, quarantined, stepNorm, metrics, federated, central }) => {
        const spread = federated?.fairness['accuracy'];
        return [
          round,
          attempts,
          `${used}/${clients}`,
          quarantined,
          figure(stepNorm),
          figure(metrics['loss']),
          figure(federated?.metrics['accuracy'] ?? federated?.metrics['loss']),
          spread === undefined ? '' : `${figure(spread.worst.value)} ${spread.worst.client}`,
          figure(central?.['accuracy']),
        ];
      },
    );
  const head = ['round', 'attempts', 'used', 'refused', 'step', 'loss', 'devices say', 'the worst'];
  return drawTable([...head, 'central'], rows);
}

const figure = (value: number | undefined): string =>
  value === undefined ? '' : value.toPrecision(4);
