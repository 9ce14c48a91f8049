// A page of a PDF as its operators paint it (ISO 32000-2, 9 and 8.4): the runs of text in their order, and which of them
// nobody sees. pdf.js's own text has no colours, no rendering modes and no edge of the page, and so cannot tell.

import {
  at,
  type Box,
  boxOf,
  holds,
  identity,
  type Matrix,
  matrixOf,
  meet,
  moved,
  numbersOf,
  times,
} from './pdf-geometry.ts';
import { createGround, type Ground, isSquare } from './pdf-ground.ts';

export interface TextRun {
  readonly text: string;
  /** Along and across the direction it is written in, in points. */
  readonly from: number;
  readonly to: number;
  readonly across: number;
  readonly size: number;
  /** In quarters of a turn. */
  readonly turn: number;
  readonly hidden: boolean;
}

export interface PageOperators {
  readonly fnArray: readonly number[];
  readonly argsArray: readonly unknown[];
}

export interface PageView {
  readonly operators: PageOperators;
  /** pdf.js's numbers of operators. */
  readonly ops: Readonly<Record<string, number>>;
  readonly box: readonly number[];
  /** Of a font, what a thousandth of its size is, where it says something else (Type 3). */
  unitOf(font: string): number;
  /** Of optional content: whether its group is on. */
  isShown(group: unknown): boolean;
}

interface State {
  ctm: Matrix;
  /** `#rrggbb`; undefined: a pattern, or what else is no colour. */
  fill: string | undefined;
  alpha: number;
  mode: number;
  size: number;
  unit: number;
  charSpacing: number;
  wordSpacing: number;
  scale: number;
  leading: number;
  rise: number;
  clip: Box;
  /** The clip is the box of a shape that is none. */
  vague: boolean;
}

/** Where the operators have come to. */
interface Pen {
  state: State;
  readonly saved: State[];
  text: Matrix;
  line: Matrix;
  /** The next path is to clip. */
  clipping: boolean;
  /** Of each marked content that is open, whether it is shown. */
  readonly marked: boolean[];
  readonly page: Box;
  readonly ground: Ground;
}

type Operators = Readonly<Record<string, (args: readonly unknown[]) => void>>;

/** In points: smaller, nobody reads. */
const sizeMin = 2;
const alphaMin = 0.05;

/** The page's runs of text, in the order in which they are painted. */
export function runsOfPage(view: PageView): readonly TextRun[] {
  const { operators, ops, box } = view;
  const [left = 0, bottom = 0, right = 0, top = 0] = box;
  const page: Box = [left, bottom, right, top];
  const runs: TextRun[] = [];
  const pen: Pen = {
    state: stateOn(page),
    saved: [],
    text: identity,
    line: identity,
    clipping: false,
    marked: [],
    page,
    ground: createGround(),
  };
  const does: Operators = { ...graphicsOperators(pen, view), ...textOperators(pen, view, runs) };
  const byNumber = new Map(Object.entries(does).map(([name, act]) => [ops[name], act]));
  for (const [i, op] of operators.fnArray.entries())
    byNumber.get(op)?.((operators.argsArray[i] ?? []) as readonly unknown[]);
  return runs;
}

const stateOn = (page: Box): State => ({
  ctm: identity,
  fill: '#000000',
  alpha: 1,
  mode: 0,
  size: 0,
  unit: 0.001,
  charSpacing: 0,
  wordSpacing: 0,
  scale: 1,
  leading: 0,
  rise: 0,
  clip: page,
  vague: false,
});

function graphicsOperators(pen: Pen, { ops, isShown }: PageView): Operators {
  const filling = new Set(
    ['fill', 'eoFill', 'fillStroke', 'eoFillStroke', 'closeFillStroke', 'closeEOFillStroke'].map(
      (name) => ops[name],
    ),
  );
  const save = (): void => void pen.saved.push({ ...pen.state });
  const restore = (): void => {
    pen.state = pen.saved.pop() ?? pen.state;
  };
  const clip = (): void => {
    pen.clipping = true;
  };
  const unknown = (): void => {
    pen.state.fill = undefined;
  };
  return {
    save,
    restore,
    transform(args) {
      pen.state.ctm = times(matrixOf(args), pen.state.ctm);
    },
    paintFormXObjectBegin([matrix]) {
      save();
      if (matrix) pen.state.ctm = times(matrixOf([matrix]), pen.state.ctm);
    },
    paintFormXObjectEnd: restore,
    setFillRGBColor([colour]) {
      pen.state.fill = colour as string;
    },
    setFillColorN: unknown,
    setFillTransparent: unknown,
    setGState([entries]) {
      for (const [key, value] of entries as [string, unknown][])
        if (key === 'ca') pen.state.alpha = value as number;
    },
    clip,
    eoClip: clip,
    constructPath([kind, paths, extent]) {
      if (extent === null || extent === undefined) return;
      const { state } = pen;
      const box = meet(boxOf(state.ctm, numbersOf([extent])), state.clip);
      const square = isSquare(paths, state.ctm);
      if (pen.clipping) {
        state.clip = box;
        state.vague ||= !square;
        pen.clipping = false;
      }
      if (!filling.has(kind as number)) return;
      const sure = square && !state.vague && state.alpha > 1 - alphaMin;
      pen.ground.paint(box, sure ? state.fill : undefined);
    },
    shadingFill: () => pen.ground.paint(pen.state.clip, undefined),
    beginMarkedContent: () => void pen.marked.push(true),
    beginMarkedContentProps: ([tag, group]) => void pen.marked.push(tag !== 'OC' || isShown(group)),
    endMarkedContent: () => void pen.marked.pop(),
  };
}

function textOperators(pen: Pen, { unitOf }: PageView, runs: TextRun[]): Operators {
  const move = (x: number, y: number): void => {
    pen.line = times(moved(x, y), pen.line);
    pen.text = pen.line;
  };
  const show = ([glyphs]: readonly unknown[]): void => {
    const run = runAt(pen, advance(glyphs as readonly unknown[], pen.state));
    if (run.text !== '') runs.push(run);
  };
  /** Operators that set a number of the state. */
  const sets = (name: 'mode' | 'charSpacing' | 'wordSpacing' | 'leading' | 'rise') => {
    return ([value]: readonly unknown[]): void => {
      pen.state[name] = value as number;
    };
  };
  return {
    beginText() {
      pen.line = identity;
      pen.text = identity;
    },
    setFont([font, size]) {
      pen.state.size = size as number;
      pen.state.unit = unitOf(font as string);
    },
    setTextRenderingMode: sets('mode'),
    setCharSpacing: sets('charSpacing'),
    setWordSpacing: sets('wordSpacing'),
    setLeading: sets('leading'),
    setTextRise: sets('rise'),
    setHScale([percent]) {
      pen.state.scale = (percent as number) / 100;
    },
    moveText: ([x, y]) => move(x as number, y as number),
    setLeadingMoveText([x, y]) {
      pen.state.leading = -(y as number);
      move(x as number, y as number);
    },
    nextLine: () => move(0, -pen.state.leading),
    setTextMatrix(args) {
      pen.line = matrixOf(args);
      pen.text = pen.line;
    },
    showText: show,
    showSpacedText: show,
  };
}

/** What is shown where the pen is, which moves on by it. */
function runAt(pen: Pen, shown: { readonly text: string; readonly width: number }): TextRun {
  const { state } = pen;
  const whole = times(pen.text, state.ctm);
  const size = Math.abs(state.size) * Math.hypot(whole[2], whole[3]);
  const [x, y] = at(whole, 0, state.rise);
  const [endX, endY] = at(whole, shown.width, state.rise);
  // A little above the line that the text stands on, where its ink is.
  const ink = at(whole, shown.width / 2, state.rise + state.size / 4);
  pen.text = times(moved(shown.width, 0), pen.text);
  const turn = Math.round(Math.atan2(whole[1], whole[0]) / (Math.PI / 2)) & 3;
  const along = (px: number, py: number): number => [px, py, -px, -py][turn] as number;
  return {
    text: shown.text,
    from: along(x, y),
    to: along(endX, endY),
    across: [y, -x, -y, x][turn] as number,
    size,
    turn,
    hidden: isHidden(pen, size, ink),
  };
}

function isHidden(
  { state, marked, page, ground }: Pen,
  size: number,
  [x, y]: readonly [number, number],
): boolean {
  return (
    state.mode === 3 || // [ISO 32000-2, 9.3.6] neither filled nor stroked,
    state.mode === 7 || // nor when it clips.
    size < sizeMin ||
    state.alpha < alphaMin ||
    marked.includes(false) ||
    !holds(page, x, y) ||
    (!holds(state.clip, x, y) && !state.vague) ||
    !ground.shows(state.fill, x, y)
  );
}

interface Glyph {
  readonly unicode?: string;
  readonly width?: number;
  readonly isSpace?: boolean;
}

/** What glyphs say, and how far they move on, in the text's own space. [ISO 32000-2, 9.4.4] */
function advance(
  glyphs: readonly unknown[],
  { size, unit, charSpacing, wordSpacing, scale }: State,
): { readonly text: string; readonly width: number } {
  let text = '';
  let width = 0;
  for (const glyph of glyphs) {
    if (typeof glyph === 'number') {
      width -= (glyph / 1_000) * size;
      // So much is left free between words alone.
      if (glyph < -200 && !text.endsWith(' ')) text += ' ';
    } else if (glyph !== null && typeof glyph === 'object') {
      const { unicode = '', width: wide = 0, isSpace = false } = glyph as Glyph;
      width += wide * unit * size + charSpacing + (isSpace ? wordSpacing : 0);
      text += unicode;
    }
  }
  return { text, width: width * scale };
}
