// The demo's table: pure text of what each device has done.

import { percentile, type Scoreboard } from './scoreboard.ts';

export interface Row {
  readonly board: Scoreboard;
  readonly link: string;
  readonly bytesUp: number;
}

const columns: readonly (readonly [title: string, cell: (row: Row) => string])[] = [
  ['device', ({ board }) => board.device],
  ['link', ({ link }) => link],
  ['answered', ({ board }) => String(board.answered)],
  ['at exit 1', ({ board }) => percent(board.atEdgeExit, board.answered)],
  ['escalated', ({ board }) => String(board.escalated)],
  ['degraded', ({ board }) => String(board.degraded)],
  [
    'late',
    ({ board }) => `${board.late}${board.pending.size > 0 ? ` (+${board.pending.size})` : ''}`,
  ],
  ['accuracy', ({ board }) => percent(board.correctFinally, board.answered, 2)],
  ['p50 ms', ({ board }) => milliseconds(board, 0.5)],
  ['p99 ms', ({ board }) => milliseconds(board, 0.99)],
  ['KiB up', ({ bytesUp }) => (bytesUp / 1024).toFixed(1)],
];

export function renderTable(rows: readonly Row[]): string {
  const lines = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, cell]) => cell(row))),
  ];
  const widths = columns.map((_, c) => Math.max(...lines.map((line) => line[c]?.length ?? 0)));
  const text = lines.map((line) => line.map((cell, c) => pad(cell, widths[c] ?? 0, c)).join('  '));
  return [text[0], widths.map((width) => '─'.repeat(width)).join('──'), ...text.slice(1)].join(
    '\n',
  );
}

/** Names to the left, numbers to the right. */
const pad = (cell: string, width: number, column: number): string =>
  column < 2 ? cell.padEnd(width) : cell.padStart(width);

export function percent(part: number, whole: number, digits = 1): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(digits)} %`;
}

const milliseconds = ({ latenciesMs }: Scoreboard, share: number): string =>
  latenciesMs.length === 0 ? '–' : percentile(latenciesMs, share).toFixed(1);
