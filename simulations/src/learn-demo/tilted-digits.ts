// What the devices of the demo see: digits through cameras that hang askew, which the model that ships has hardly learned
// from, and each device mostly a few of the ten.

import { type LabelledImages, readMnist, selectImages } from '@skerry/models/training';
import { createRandom, type Random, shuffle } from '@skerry/shared';
import type { LabelledImage } from '../demo/feed.ts';

export interface DeviceDigits {
  readonly device: string;
  /** The digits that it mostly sees. */
  readonly mostly: readonly number[];
  /** To be put right by a person, one by one. */
  readonly seen: readonly LabelledImage[];
  /** Others of the same kind, by which the device is judged before and after. */
  readonly exam: readonly LabelledImage[];
}

export interface SeenSizes {
  readonly seen: number;
  readonly exam: number;
  /** What the operator has labelled, of all digits alike, to calibrate and judge with. */
  readonly heldOut: number;
}

export interface DealtDigits {
  readonly devices: readonly DeviceDigits[];
  readonly heldOut: LabelledImages;
}

/** Of what a device sees, how much is one of the other digits. */
const othersShare = 0.06;
const labels = 10;
const seed = 7;

export const tiltDegrees = 40;

export async function dealDigits(
  count: number,
  { seen, exam, heldOut }: SeenSizes,
): Promise<DealtDigits> {
  const { train, test } = await readMnist();
  const random = createRandom(seed);
  const trainOrder = orderOf(train, random);
  const testOrder = orderOf(test, random);
  const devices = Array.from({ length: count }, (_, d) => {
    const from = Math.floor((d * labels) / count);
    const until = Math.floor(((d + 1) * labels) / count);
    const mostly = Array.from({ length: until - from }, (_, i) => from + i);
    return {
      device: `device-${d + 1}`,
      mostly,
      seen: take(train, trainOrder, seen, mostly, random, `seen-${d + 1}`),
      exam: take(test, testOrder, exam, mostly, random, `exam-${d + 1}`),
    };
  });
  return { devices, heldOut: tilted(selectImages(train, trainOrder.slice(0, heldOut))) };
}

/** Through the camera. */
export function tilted(images: LabelledImages): LabelledImages {
  const size = images.height * images.width;
  const pixels = new Uint8Array(images.pixels.length);
  for (let i = 0; i < images.count; i++)
    pixels.set(rotate(images.pixels.subarray(i * size, (i + 1) * size), images), i * size);
  return { ...images, pixels };
}

const orderOf = ({ count }: LabelledImages, random: Random): number[] => [
  ...shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    random,
  ),
];

/** Takes them out of `order`: no image is on two devices. */
function take(
  images: LabelledImages,
  order: number[],
  count: number,
  mostly: readonly number[],
  random: Random,
  name: string,
): readonly LabelledImage[] {
  const isOwn = (index: number): boolean => mostly.includes(images.labels[index] as number);
  const others = Math.round(othersShare * count);
  const taken = shuffle(
    Uint32Array.of(
      ...order.filter(isOwn).slice(0, count - others),
      ...order.filter((index) => !isOwn(index)).slice(0, others),
    ),
    random,
  );
  if (taken.length < count) throw new Error(`MNIST has not ${count} more of ${mostly}`);
  const gone = new Set(taken);
  order.splice(0, order.length, ...order.filter((index) => !gone.has(index)));
  const own = tilted(selectImages(images, taken));
  const size = own.height * own.width;
  return Array.from(taken, (_, i) => ({
    id: `${name}-${i}`,
    pixels: own.pixels.subarray(i * size, (i + 1) * size),
    truth: String(own.labels[i]),
  }));
}

const radians = (tiltDegrees * Math.PI) / 180;

/** About the centre, bilinear; what comes from outside the image is black. */
function rotate(
  source: Uint8Array,
  { height, width }: Pick<LabelledImages, 'height' | 'width'>,
): Uint8Array {
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : (source[y * width + x] as number);
  return Uint8Array.from({ length: source.length }, (_, i) => {
    const [u, v] = [(i % width) - centreX, Math.floor(i / width) - centreY];
    const [x, y] = [centreX + cos * u + sin * v, centreY - sin * u + cos * v];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, low] = [x - left, y - top];
    const upper = at(left, top) * (1 - right) + at(left + 1, top) * right;
    const lower = at(left, top + 1) * (1 - right) + at(left + 1, top + 1) * right;
    return upper * (1 - low) + lower * low;
  });
}
