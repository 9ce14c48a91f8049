import type { Tensor } from '@skerry/models';

/** A grey digit, row-major. */
export type Image = Uint8Array<ArrayBuffer>;

export const imageShape = [1, 1, 28, 28];
export const imageBytes = 28 * 28;

export const imageTensor = (data: Image): Tensor => ({
  datatype: 'UINT8',
  shape: imageShape,
  data,
});
