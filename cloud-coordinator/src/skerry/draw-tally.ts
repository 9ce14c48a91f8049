// The answer to a query for a person: how many examples are in each cell, of all and of each cohort. Pure.

import type { RunView } from '../http/learn-views.ts';
import { drawTable } from './draw-table.ts';

type Tally = NonNullable<RunView['answer']>;

const barWidth = 24;

export function drawTally(tally: Tally): string {
  const { whole, cohorts, withheld, devicesMin, quantiles, noiseSigma } = tally;
  const parts = Object.entries(cohorts);
  const groups = [whole, ...parts.map(([, group]) => group)];
  const most = Math.max(1, ...Object.values(whole.counts));
  const rows = Object.entries(whole.counts).map(([cell, count]) => [
    cell,
    ...groups.map(({ counts }) => counts[cell] ?? 0),
    '█'.repeat(Math.round((count / most) * barWidth)),
  ]);
  const rest =
    withheld.length === 0
      ? []
      : [[`(${withheld.length} withheld)`, ...groups.map((group) => group.rest), '']];
  const ends = [
    ['examples', ...groups.map(({ examples }) => examples), ''],
    ['devices', ...groups.map(({ devices }) => devices), ''],
  ];
  const head = ['', 'all', ...parts.map(([name]) => name), ''];
  return [
    drawTable(head, [...rows, ...rest, ...ends]),
    ...(quantiles === undefined
      ? []
      : [
          Object.entries(quantiles)
            .map(([name, value]) => `${name} ${value}`)
            .join(', '),
        ]),
    ...(noiseSigma === undefined ? [] : [`each count has noise, σ ${noiseSigma.toPrecision(3)}`]),
    ...(withheld.length === 0
      ? []
      : [`withheld, for fewer than ${devicesMin} devices have any: ${withheld.join(', ')}`]),
  ].join('\n');
}
