// The runs of a PDF's pages as text: which of them are one line, which lines one paragraph, and which lines are headings.
// A PDF says none of this, and a line that a page breaks off is no sentence's end.

import type { TextRun } from './pdf-page.ts';

interface Line {
  readonly text: string;
  readonly page: number;
  readonly from: number;
  readonly to: number;
  readonly across: number;
  readonly size: number;
  readonly turn: number;
}

/** In sizes of the text. */
const sameLine = 0.5;
const wordGap = 0.18;
const paragraphGap = 1.7;
/** Of the page's widest line: shorter, a line ends because its text does. */
const fullShare = 0.6;
const headingShare = 1.15;
const headingCharactersMax = 120;

export interface PagesText {
  readonly text: string;
  /** Where each page begins. */
  readonly pages: readonly number[];
}

/** Lines of a page, as its visible runs make them. */
export function linesOf(runs: readonly TextRun[], page: number): readonly Line[] {
  const lines: Line[] = [];
  let pieces: string[] = [];
  let first: TextRun | undefined;
  let last: TextRun | undefined;
  const end = (): void => {
    const text = pieces.join('').replace(/\s+/g, ' ').trim();
    if (text !== '' && first !== undefined && last !== undefined)
      lines.push({ ...first, text, page, to: last.to });
    pieces = [];
  };
  for (const run of runs) {
    if (last === undefined || !isSameLine(last, run)) {
      end();
      first = run;
    } else if (run.text === last.text && Math.abs(run.from - last.from) < wordGap * run.size)
      continue; // Painted twice, to look bold.
    else if (run.from - last.to > wordGap * run.size) pieces.push(' ');
    pieces.push(run.text.replace(/[\ufb00-\ufb06]/g, (ligature) => ligature.normalize('NFKC')));
    last = run;
  }
  end();
  return lines;
}

/** What only looks like a heading of Markdown is none. */
const plainOf = (text: string): string => text.replace(/^(?=#{1,6}\s)/, '\\');

const isSameLine = (last: TextRun, run: TextRun): boolean =>
  run.turn === last.turn &&
  Math.abs(run.across - last.across) < sameLine * Math.max(run.size, last.size) &&
  run.from > last.from - run.size * sameLine;

/** `pages` counts also those without a line. */
export function textOf(lines: readonly Line[], pages: number): PagesText {
  const body = bodySizeOf(lines);
  const widest: number[] = [];
  for (const { page, from, to } of lines) widest[page] = Math.max(widest[page] ?? 0, to - from);
  const starts: number[] = [];
  const out: string[] = [];
  let length = 0;
  const say = (text: string): void => {
    out.push(text);
    length += text.length;
  };
  let last: Line | undefined;
  for (const line of lines) {
    const joint = last === undefined ? 'page' : jointOf(last, line, widest, body);
    // A word that is cut at the line's end is one word; the hyphen of one that is not is lost with it.
    if (joint === 'line' && /\p{L}-$/u.test(out.at(-1) ?? '') && /^\p{Ll}/u.test(line.text)) {
      const cut = (out.pop() as string).slice(0, -1);
      length -= 1;
      out.push(cut);
    } else if (length > 0) say({ line: ' ', item: '\n', paragraph: '\n\n', page: '\n\n' }[joint]);
    while (starts.length <= line.page) starts.push(length);
    const level = last !== undefined && joint === 'line' ? 0 : headingLevel(line, body);
    say(level > 0 ? `${'#'.repeat(level)} ${line.text}` : plainOf(line.text));
    last = line;
  }
  while (starts.length < pages) starts.push(length);
  return { text: out.join(''), pages: starts };
}

function jointOf(
  last: Line,
  line: Line,
  widest: readonly number[],
  body: number,
): 'line' | 'item' | 'paragraph' | 'page' {
  if (line.page !== last.page) return 'page';
  if (headingLevel(last, body) > 0 || headingLevel(line, body) > 0) return 'paragraph';
  const down = last.across - line.across;
  if (line.turn !== last.turn || down < 0 || down > paragraphGap * last.size) return 'paragraph';
  const isFull = last.to - last.from > fullShare * (widest[last.page] ?? 0);
  return isFull && Math.abs(line.size - last.size) < 0.1 * last.size ? 'line' : 'item';
}

/** The size that most characters have. */
function bodySizeOf(lines: readonly Line[]): number {
  const counts = new Map<number, number>();
  for (const { size, text } of lines) {
    const rounded = Math.round(size * 2) / 2;
    counts.set(rounded, (counts.get(rounded) ?? 0) + text.length);
  }
  return [...counts].reduce((most, each) => (each[1] > most[1] ? each : most), [0, 0])[0];
}

/** 0: none. */
function headingLevel({ size, text }: Line, body: number): number {
  if (size < headingShare * body || text.length > headingCharactersMax || !/\p{L}/u.test(text))
    return 0;
  return size > 1.6 * body ? 1 : 2;
}
