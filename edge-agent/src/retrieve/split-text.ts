// A text in passages: contiguous spans of at most so many tokens, cut where the text itself is cut. Deterministic, so
// that a document which has not changed has the same passages, and nothing of it is embedded again.

import type { PassageSpan, Span } from './passage.ts';

/**
 * `fixed`: as full as they may be; `recursive`: at the strongest break that is near; `semantic`: so, and a place where the
 * text turns to something else is as strong as a paragraph's end.
 */
export type Chunking = 'fixed' | 'recursive' | 'semantic';

export interface SplitOptions {
  readonly method: Chunking;
  readonly tokensMax: number;
  readonly countTokens: (text: string) => number;
  /** Of `semantic`: after which atoms, by their places, the text turns. */
  readonly turns?: ReadonlySet<number> | undefined;
}

/** How strong a break is at which an atom ends. */
export const breaks = { word: 0, sentence: 1, line: 2, paragraph: 3, heading: 4 } as const;

/** A piece that is not cut any further: a sentence, a line, or as much of a longer one as may be. */
export interface Atom extends Span {
  readonly breakAfter: number;
  /** Of a heading, its level from 1. */
  readonly level?: number;
}

/** No sentence that is longer is read as one: it is cut at a space, or in the middle of what has none. */
export const atomCharactersMax = 600;

const sentenceEnd = /[.!?…。！？]["'”’)\]]*(?=\s)/g;
const headingLine = /^(?<marks>#{1,6})\s+\S/;
/** Markdown's: what lies between two of them is neither headings nor prose. */
const fenceLine = /^ {0,3}(?:```|~~~)/;

/** The atoms of a text: without gap or overlap, and none empty. */
export function atomsOf(text: string): readonly Atom[] {
  const atoms: Atom[] = [];
  let at = 0;
  let fenced = false;
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    let end = newline === -1 ? text.length : newline + 1;
    const beginning = text.slice(at, Math.min(end, at + 16));
    if (fenceLine.test(beginning)) fenced = !fenced;
    const level = fenced ? undefined : headingLine.exec(beginning)?.groups?.['marks']?.length;
    let breakAfter: number = level === undefined ? breaks.line : breaks.word;
    while (end < text.length && /\s/.test(text[end] as string)) {
      if (text[end] === '\n') breakAfter = level === undefined ? breaks.paragraph : breaks.word;
      end++;
    }
    if (level !== undefined) {
      strengthen(atoms, breaks.heading);
      atoms.push({ start: at, end, breakAfter, level });
    } else if (fenced) pushPieces(atoms, text, at, end, breakAfter);
    else pushSentences(atoms, text, at, end, breakAfter);
    at = end;
  }
  return atoms;
}

function strengthen(atoms: Atom[], breakAfter: number): void {
  const last = atoms.pop();
  if (last !== undefined)
    atoms.push({ ...last, breakAfter: Math.max(last.breakAfter, breakAfter) });
}

function pushSentences(
  atoms: Atom[],
  text: string,
  start: number,
  end: number,
  breakAfter: number,
): void {
  const line = text.slice(start, end);
  let from = 0;
  for (const match of line.matchAll(sentenceEnd)) {
    let to = match.index + match[0].length;
    while (to < line.length && /\s/.test(line[to] as string)) to++;
    if (to >= line.length) break;
    pushPieces(atoms, text, start + from, start + to, breaks.sentence);
    from = to;
  }
  pushPieces(atoms, text, start + from, end, breakAfter);
}

function pushPieces(
  atoms: Atom[],
  text: string,
  start: number,
  end: number,
  breakAfter: number,
): void {
  let from = start;
  while (end - from > atomCharactersMax) {
    // Looked for in the piece alone: a text without spaces would be searched to its beginning each time.
    const space = text.slice(from, from + atomCharactersMax).lastIndexOf(' ');
    let to = from + (space > 0 ? space + 1 : atomCharactersMax);
    if (isLowSurrogate(text.charCodeAt(to))) to -= 1;
    atoms.push({ start: from, end: to, breakAfter: breaks.word });
    from = to;
  }
  atoms.push({ start: from, end, breakAfter });
}

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff;

/** A passage is cut at a weaker break only where it would else be emptier than this share of what it may hold. */
const fullEnough = 0.5;

/** Each has at most `tokensMax` tokens, unless one atom by itself has more. */
export function splitText(text: string, options: SplitOptions): readonly PassageSpan[] {
  const atoms = atomsOf(text);
  const tokens = atoms.map(({ start, end }) => options.countTokens(text.slice(start, end)));
  const passages: PassageSpan[] = [];
  const headings: string[] = [];
  let first = 0;
  while (first < atoms.length) {
    const last = lastOf(atoms, tokens, first, options);
    const { start } = atoms[first] as Atom;
    const { end } = atoms[last] as Atom;
    enterHeadings(headings, text, atoms.slice(first, first + 1));
    passages.push({ start, end, heading: headings.filter(Boolean).join(' › ') });
    enterHeadings(headings, text, atoms.slice(first + 1, last + 1));
    first = last + 1;
  }
  return passages;
}

/** As `splitText`, and no passage has more than one row. `rows` are where they begin, the first at 0. */
export const splitRows = (
  text: string,
  rows: readonly number[],
  options: SplitOptions,
): readonly PassageSpan[] =>
  rows.flatMap((from, i) =>
    splitText(text.slice(from, rows[i + 1]), options).map(({ start, end, heading }) => ({
      start: from + start,
      end: from + end,
      heading,
    })),
  );

/** The last atom of a passage that begins with `first`. */
function lastOf(
  atoms: readonly Atom[],
  tokens: readonly number[],
  first: number,
  { method, tokensMax, turns }: SplitOptions,
): number {
  let used = 0;
  let best = first;
  let bestBreak = -1;
  for (let i = first; i < atoms.length; i++) {
    used += tokens[i] as number;
    if (used > tokensMax && i > first) break;
    const turn = turns?.has(i) === true ? breaks.paragraph : breaks.word;
    const strength = Math.max((atoms[i] as Atom).breakAfter, turn);
    // A heading begins a passage of its own, unless what stands before it is a line or two.
    const enough = used >= tokensMax * fullEnough;
    if (strength === breaks.heading && used >= tokensMax * fullEnough * fullEnough) return i;
    if (method === 'fixed' || strength >= bestBreak || !enough) {
      best = i;
      bestBreak = enough ? strength : -1;
    }
    if (i === atoms.length - 1) return i;
  }
  return best;
}

function enterHeadings(headings: string[], text: string, atoms: readonly Atom[]): void {
  for (const { start, end, level } of atoms) {
    if (level === undefined) continue;
    headings.length = Math.min(headings.length, level - 1);
    while (headings.length < level - 1) headings.push('');
    headings.push(
      text
        .slice(start, end)
        .replace(/^#+\s+/, '')
        .trim()
        .slice(0, 120),
    );
  }
}
