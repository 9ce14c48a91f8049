// Random warps of an image, so that a network sees no training image twice: an affine map (rotation, scale, shear,
// shift) plus an elastic one (Simard et al., "Best Practices for Convolutional Neural Networks", ICDAR 2003; here the
// smooth field is a coarse grid of random displacements, interpolated, which costs less than a Gaussian filter).

import type { Random } from '@skerry/shared';

export interface WarpOptions {
  readonly rotationRadiansMax: number;
  /** Scale is drawn from 1 ± this, for each axis. */
  readonly scaleMax: number;
  readonly shearMax: number;
  readonly shiftPixelsMax: number;
  /** Standard deviation of a grid point's displacement. */
  readonly elasticPixels: number;
}

export interface Size {
  readonly height: number;
  readonly width: number;
}

/** Cells of the elastic grid, in each direction. */
const gridCells = 4;
const gridPoints = gridCells + 1;

/** Writes the warped image to `target`, as `scale` × pixel; what comes from outside the image is 0. */
export function warpImage(
  source: Uint8Array,
  target: Float32Array,
  { height, width }: Size,
  scale: number,
  options: WarpOptions,
  random: Random,
): void {
  const map = drawAffine(options, random);
  const shiftsX = drawGrid(options.elasticPixels, random);
  const shiftsY = drawGrid(options.elasticPixels, random);
  const centreX = (width - 1) / 2;
  const centreY = (height - 1) / 2;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const u = x - centreX;
      const v = y - centreY;
      const gridX = (x / (width - 1)) * gridCells;
      const gridY = (y / (height - 1)) * gridCells;
      const fromX = centreX + map.xx * u + map.xy * v + map.x + sampleGrid(shiftsX, gridX, gridY);
      const fromY = centreY + map.yx * u + map.yy * v + map.y + sampleGrid(shiftsY, gridX, gridY);
      target[y * width + x] = scale * samplePixel(source, height, width, fromX, fromY);
    }
}

function drawAffine(options: WarpOptions, random: Random) {
  const within = (max: number): number => (2 * random.next() - 1) * max;
  const angle = within(options.rotationRadiansMax);
  const scaleX = 1 + within(options.scaleMax);
  const scaleY = 1 + within(options.scaleMax);
  const shear = within(options.shearMax);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return {
    xx: cos / scaleX,
    xy: shear - sin,
    yx: sin,
    yy: cos / scaleY,
    x: within(options.shiftPixelsMax),
    y: within(options.shiftPixelsMax),
  };
}

function drawGrid(pixels: number, random: Random): Float64Array {
  return Float64Array.from({ length: gridPoints * gridPoints }, () => pixels * random.gaussian());
}

function sampleGrid(grid: Float64Array, x: number, y: number): number {
  const column = Math.min(Math.floor(x), gridCells - 1);
  const row = Math.min(Math.floor(y), gridCells - 1);
  const at = row * gridPoints + column;
  return bilinear(
    grid[at] as number,
    grid[at + 1] as number,
    grid[at + gridPoints] as number,
    grid[at + gridPoints + 1] as number,
    x - column,
    y - row,
  );
}

function samplePixel(
  source: Uint8Array,
  height: number,
  width: number,
  x: number,
  y: number,
): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const pixel = (dy: number, dx: number): number => {
    const [r, c] = [row + dy, column + dx];
    return r >= 0 && r < height && c >= 0 && c < width ? (source[r * width + c] as number) : 0;
  };
  return bilinear(pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1), x - column, y - row);
}

/** Between four corners: `a b` above, `c d` below. */
function bilinear(a: number, b: number, c: number, d: number, right: number, down: number): number {
  const above = a + (b - a) * right;
  return above + (c + (d - c) * right - above) * down;
}
