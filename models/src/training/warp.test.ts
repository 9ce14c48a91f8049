import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { type WarpOptions, warpImage } from './warp.ts';

const size = { height: 9, width: 9 };
const still: WarpOptions = {
  rotationRadiansMax: 0,
  scaleMax: 0,
  shearMax: 0,
  shiftPixelsMax: 0,
  elasticPixels: 0,
};
const image = Uint8Array.from({ length: 81 }, (_, i) => (i * 37) % 256);

function warp(options: WarpOptions, source = image): Float32Array {
  const target = new Float32Array(81);
  warpImage(source, target, size, 2, options, createRandom(1));
  return target;
}

const centreOfMass = (pixels: Float32Array): number[] => {
  const total = pixels.reduce((sum, p) => sum + p, 0);
  const mean = (place: (i: number) => number): number =>
    pixels.reduce((sum, p, i) => sum + p * place(i), 0) / total;
  return [mean((i) => Math.floor(i / 9)), mean((i) => i % 9)];
};

describe('warpImage', () => {
  it('only scales the pixels where every amount is 0', () => {
    expect(warp(still)).toEqual(Float32Array.from(image, (p) => 2 * p));
  });

  it('shifts by no more than it may, and keeps what it moves', () => {
    const dot = new Uint8Array(81);
    dot[40] = 100;
    const moved = warp({ ...still, shiftPixelsMax: 2 }, dot);
    expect(moved.reduce((sum, p) => sum + p, 0)).toBeCloseTo(200, 3);
    for (const place of centreOfMass(moved)) expect(Math.abs(place - 4)).toBeLessThanOrEqual(2);
    expect(centreOfMass(moved)).not.toEqual([4, 4]);
  });

  it('keeps the centre of the image in its place under rotation, scale and shear', () => {
    const options = { ...still, rotationRadiansMax: 1, scaleMax: 0.3, shearMax: 0.3 };
    expect(warp(options)[40]).toBeCloseTo(2 * (image[40] ?? 0), 3);
  });
});
