// A JPEG as a model takes it: the largest square in its middle, each pixel the mean of those that it stands for.

import { readFile } from 'node:fs/promises';
import type { Tensor } from '@skerry/models';
import jpeg from 'jpeg-js';

/** UINT8 [1, 3, height, width], red, green, blue. */
export async function readPhoto(path: string, height: number, width: number): Promise<Tensor> {
  const photo = jpeg.decode(await readFile(path), { useTArray: true, formatAsRGBA: false });
  const side = Math.min(photo.width, photo.height);
  const left = Math.floor((photo.width - side) / 2);
  const top = Math.floor((photo.height - side) / 2);
  const data = new Uint8Array(3 * height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const rows = between(top, side, y, height);
      const columns = between(left, side, x, width);
      const sum = [0, 0, 0];
      for (const row of rows)
        for (const column of columns)
          for (const c of [0, 1, 2])
            sum[c] =
              (sum[c] as number) + (photo.data[3 * (row * photo.width + column) + c] as number);
      const count = rows.length * columns.length;
      for (const c of [0, 1, 2])
        data[(c * height + y) * width + x] = Math.round((sum[c] as number) / count);
    }
  return { datatype: 'UINT8', shape: [1, 3, height, width], data };
}

/** The places of `side` from `start` on that the one at `at` of `of` stands for: one at least. */
function between(start: number, side: number, at: number, of: number): number[] {
  const from = Math.floor((at * side) / of);
  const to = Math.max(from + 1, Math.floor(((at + 1) * side) / of));
  return Array.from({ length: to - from }, (_, i) => start + from + i);
}
