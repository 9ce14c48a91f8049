// A page of a PDF as its operators paint it (ISO 32000-2, 9 and 8.4): the runs of text in their order, and which of them
// nobody sees. pdf.js's own text has no colours, no rendering modes and no edge of the page, and so cannot tell.

/** a b c d e f of ISO 32000-2, 8.3.4. */
export type Matrix = readonly [number, number, number, number, number, number];
type Box = readonly [left: number, bottom: number, right: number, top: number];

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

interface Painted {
  readonly box: Box;
  readonly colour: string | undefined;
}

const identity: Matrix = [1, 0, 0, 1, 0, 0];
const paper = '#ffffff';
/** In points: smaller, nobody reads. */
const sizeMin = 2;
const alphaMin = 0.05;
/** Of a colour and of what it lies on, in each of red, green and blue. */
const contrastMin = 10;
/** The latest of them. */
const paintedMax = 2_000;

const times = (a: Matrix, b: Matrix): Matrix => [
  a[0] * b[0] + a[1] * b[2],
  a[0] * b[1] + a[1] * b[3],
  a[2] * b[0] + a[3] * b[2],
  a[2] * b[1] + a[3] * b[3],
  a[4] * b[0] + a[5] * b[2] + b[4],
  a[4] * b[1] + a[5] * b[3] + b[5],
];
const at = (m: Matrix, x: number, y: number): readonly [number, number] => [
  m[0] * x + m[2] * y + m[4],
  m[1] * x + m[3] * y + m[5],
];
const moved = (x: number, y: number): Matrix => [1, 0, 0, 1, x, y];
const holds = ([left, bottom, right, top]: Box, x: number, y: number): boolean =>
  x >= left && x <= right && y >= bottom && y <= top;

const numbersOf = (args: readonly unknown[]): readonly number[] =>
  typeof args[0] === 'number' ? (args as number[]) : [...(args[0] as Iterable<number>)];
const matrixOf = (args: readonly unknown[]): Matrix => {
  const [a = 1, b = 0, c = 0, d = 1, e = 0, f = 0] = numbersOf(args);
  return [a, b, c, d, e, f];
};

/** The page's runs of text, in the order in which they are painted. */
export function runsOfPage(view: PageView): readonly TextRun[] {
  const { operators, ops, box } = view;
  const [left = 0, bottom = 0, right = 0, top = 0] = box;
  const page: Box = [left, bottom, right, top];
  const runs: TextRun[] = [];
  const painted: Painted[] = [];
  const saved: State[] = [];
  /** Of each marked content that is open, whether it is shown. */
  const marked: boolean[] = [];
  let state: State = {
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
  };
  let text = identity;
  let line = identity;
  let clipping = false;

  const move = (x: number, y: number): void => {
    line = times(moved(x, y), line);
    text = line;
  };
  const save = (): void => void saved.push({ ...state });
  const restore = (): void => {
    state = saved.pop() ?? state;
  };
  const groundAt = (x: number, y: number): string | undefined => {
    const under = painted.findLast((each) => holds(each.box, x, y));
    return under === undefined ? paper : under.colour;
  };
  const show = (glyphs: readonly unknown[]): void => {
    const whole = times(text, state.ctm);
    const shown = advance(glyphs, state);
    const size = state.size * Math.hypot(whole[2], whole[3]);
    const [x, y] = at(whole, 0, state.rise);
    const [endX, endY] = at(whole, shown.width, state.rise);
    text = times(moved(shown.width, 0), text);
    if (shown.text === '') return;
    const turn = Math.round(Math.atan2(whole[1], whole[0]) / (Math.PI / 2)) & 3;
    const along = (px: number, py: number): number => [px, py, -px, -py][turn] as number;
    // A little above the line that the text stands on, where its ink is.
    const [inkX, inkY] = at(whole, shown.width / 2, state.rise + state.size / 4);
    const hidden =
      state.mode === 3 ||
      state.mode === 7 || // [ISO 32000-2, 9.3.6] neither filled nor stroked.
      size < sizeMin ||
      state.alpha < alphaMin ||
      marked.includes(false) ||
      !holds(page, inkX, inkY) ||
      (!holds(state.clip, inkX, inkY) && !state.vague) ||
      isAlike(state.fill, groundAt(inkX, inkY));
    runs.push({
      text: shown.text,
      from: along(x, y),
      to: along(endX, endY),
      across: [y, -x, -y, x][turn] as number,
      size,
      turn,
      hidden,
    });
  };
  const paint = ([kind, paths, extent]: readonly unknown[]): void => {
    if (extent === null || extent === undefined) return;
    const shape = boxOf(state.ctm, numbersOf([extent]));
    const box = meet(shape, state.clip);
    const square = isSquare(paths, state.ctm);
    if (clipping) {
      state.clip = box;
      state.vague ||= !square;
      clipping = false;
    }
    if (!filling.has(kind as number)) return;
    const sure = square && !state.vague && state.alpha > 1 - alphaMin;
    painted.push({ box, colour: sure ? state.fill : undefined });
    if (painted.length > paintedMax) painted.shift();
  };
  const filling = new Set(
    ['fill', 'eoFill', 'fillStroke', 'eoFillStroke', 'closeFillStroke', 'closeEOFillStroke'].map(
      (name) => ops[name],
    ),
  );

  const does: Readonly<Record<string, (args: readonly unknown[]) => void>> = {
    save,
    restore,
    transform(args) {
      state.ctm = times(matrixOf(args), state.ctm);
    },
    paintFormXObjectBegin([matrix]) {
      save();
      if (matrix) state.ctm = times(matrixOf([matrix]), state.ctm);
    },
    paintFormXObjectEnd: restore,
    beginText() {
      text = identity;
      line = identity;
    },
    setFont([font, size]) {
      state.size = size as number;
      state.unit = view.unitOf(font as string);
    },
    setTextRenderingMode([mode]) {
      state.mode = mode as number;
    },
    setCharSpacing([points]) {
      state.charSpacing = points as number;
    },
    setWordSpacing([points]) {
      state.wordSpacing = points as number;
    },
    setHScale([percent]) {
      state.scale = (percent as number) / 100;
    },
    setLeading([leading]) {
      state.leading = leading as number;
    },
    setTextRise([rise]) {
      state.rise = rise as number;
    },
    moveText: ([x, y]) => move(x as number, y as number),
    setLeadingMoveText([x, y]) {
      state.leading = -(y as number);
      move(x as number, y as number);
    },
    nextLine: () => move(0, -state.leading),
    setTextMatrix(args) {
      line = matrixOf(args);
      text = line;
    },
    showText: ([glyphs]) => show(glyphs as unknown[]),
    showSpacedText: ([glyphs]) => show(glyphs as unknown[]),
    setFillRGBColor([colour]) {
      state.fill = colour as string;
    },
    setFillColorN() {
      state.fill = undefined;
    },
    setFillTransparent() {
      state.alpha = 0;
    },
    setGState([entries]) {
      for (const [key, value] of entries as [string, unknown][])
        if (key === 'ca') state.alpha = value as number;
    },
    clip() {
      clipping = true;
    },
    eoClip() {
      clipping = true;
    },
    constructPath: paint,
    shadingFill: () => void painted.push({ box: state.clip, colour: undefined }),
    beginMarkedContent: () => void marked.push(true),
    beginMarkedContentProps: ([tag, group]) =>
      void marked.push(tag !== 'OC' || view.isShown(group)),
    endMarkedContent: () => void marked.pop(),
  };
  const byNumber = new Map(Object.entries(does).map(([name, act]) => [ops[name], act]));
  for (const [i, op] of operators.fnArray.entries())
    byNumber.get(op)?.((operators.argsArray[i] ?? []) as readonly unknown[]);
  return runs;
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

function boxOf(ctm: Matrix, [x0 = 0, y0 = 0, x1 = 0, y1 = 0]: readonly number[]): Box {
  const corners = [at(ctm, x0, y0), at(ctm, x1, y0), at(ctm, x0, y1), at(ctm, x1, y1)];
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

const meet = (a: Box, b: Box): Box => [
  Math.max(a[0], b[0]),
  Math.max(a[1], b[1]),
  Math.min(a[2], b[2]),
  Math.min(a[3], b[3]),
];

/** Whether a path is one rectangle along the page's edges: four lines at most, of which none is aslant. */
function isSquare(paths: unknown, ctm: Matrix): boolean {
  const [path] = Array.isArray(paths) ? (paths as unknown[]) : [];
  if (path === null || typeof path !== 'object' || !(Symbol.iterator in path)) return false;
  if (!((ctm[1] === 0 && ctm[2] === 0) || (ctm[0] === 0 && ctm[3] === 0))) return false;
  const steps = [...(path as Iterable<number>)];
  let x = 0;
  let y = 0;
  let lines = 0;
  for (let i = 0; i < steps.length; ) {
    const step = steps[i] as number;
    if (step > 1) return step > 2 && i === steps.length - 1; // It is closed, or curved.
    const nextX = steps[i + 1] as number;
    const nextY = steps[i + 2] as number;
    if (step === 1 && nextX !== x && nextY !== y) return false;
    if (step === 0 ? i > 0 : ++lines > 4) return false;
    x = nextX;
    y = nextY;
    i += 3;
  }
  return lines >= 3;
}

/** Where nobody could tell the one from the other. What is not known is seen. */
function isAlike(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const channel = (colour: string, i: number) =>
    Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return [0, 1, 2].every((i) => Math.abs(channel(a, i) - channel(b, i)) <= contrastMin);
}
