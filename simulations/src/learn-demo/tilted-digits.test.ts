import { expect, it } from 'vitest';
import { dealDigits } from './tilted-digits.ts';

it('each device sees mostly digits of its own, and no image is on two', async () => {
  const sizes = { seen: 60, exam: 40, heldOut: 30 };
  const { devices, heldOut } = await dealDigits(3, sizes);
  expect(devices.map(({ mostly }) => mostly)).toEqual([
    [0, 1, 2],
    [3, 4, 5],
    [6, 7, 8, 9],
  ]);
  for (const { mostly, seen, exam } of devices) {
    expect([seen.length, exam.length]).toEqual([60, 40]);
    const own = [...seen, ...exam].filter(({ truth }) => mostly.includes(Number(truth)));
    expect(own).toHaveLength(94);
  }
  const images = devices.flatMap(({ seen }) => seen.map(({ pixels }) => pixels.join()));
  const others = Array.from({ length: 30 }, (_, i) =>
    heldOut.pixels.subarray(i * 784, (i + 1) * 784).join(),
  );
  expect(new Set([...images, ...others]).size).toBe(210);
  expect((await dealDigits(3, sizes)).devices).toEqual(devices);
});
