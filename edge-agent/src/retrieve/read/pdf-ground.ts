// What lies on a page of a PDF so far, as far as it can be told without painting it: boxes of one colour, and boxes of
// which only that something is there is known. Where that is not known, text on it counts as seen.

import { type Box, holds, type Matrix } from './pdf-geometry.ts';

export interface Ground {
  /** `undefined`: a pattern, a shape that is no box, or what shines through. */
  paint(box: Box, colour: string | undefined): void;
  /** Whether text of this colour could be told from what it is on. */
  shows(colour: string | undefined, x: number, y: number): boolean;
}

const paper = '#ffffff';
/** Of a colour and of what it lies on, in each of red, green and blue. */
const contrastMin = 10;
/** The latest of them. */
const boxesMax = 2_000;

export function createGround(): Ground {
  const boxes: { readonly box: Box; readonly colour: string | undefined }[] = [];
  return {
    paint(box, colour) {
      boxes.push({ box, colour });
      if (boxes.length > boxesMax) boxes.shift();
    },
    shows(colour, x, y) {
      const under = boxes.findLast((each) => holds(each.box, x, y));
      return !isAlike(colour, under === undefined ? paper : under.colour);
    },
  };
}

/** Whether a path is one rectangle along the page's edges: four lines at most, of which none is aslant. */
export function isSquare(paths: unknown, ctm: Matrix): boolean {
  const [path] = Array.isArray(paths) ? (paths as unknown[]) : [];
  if (path === null || typeof path !== 'object' || !(Symbol.iterator in path)) return false;
  if (!((ctm[1] === 0 && ctm[2] === 0) || (ctm[0] === 0 && ctm[3] === 0))) return false;
  const steps = [...(path as Iterable<number>)];
  let x = 0;
  let y = 0;
  let lines = 0;
  const closing = steps.length % 3 === 1 ? 1 : 0;
  for (let i = 0; i < steps.length - closing; i += 3) {
    const step = steps[i] as number;
    if (step > 1) return false; // It is curved.
    const nextX = steps[i + 1] as number;
    const nextY = steps[i + 2] as number;
    if (step === 1 && nextX !== x && nextY !== y) return false;
    if (step === 0 ? i > 0 : ++lines > 4) return false;
    x = nextX;
    y = nextY;
  }
  // And back to where it began.
  return lines >= 3 && (x === steps[1] || y === steps[2]);
}

/** Where nobody could tell the one from the other. What is not known is seen. */
function isAlike(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const channel = (colour: string, i: number) =>
    Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return [0, 1, 2].every((i) => Math.abs(channel(a, i) - channel(b, i)) <= contrastMin);
}
