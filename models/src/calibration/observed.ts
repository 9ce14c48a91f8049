// What a variant gave on labelled examples, at one exit: the material of every calibration.

import type { Tensor } from '../tensor.ts';
import { sliceRows } from '../tensor-rows.ts';
import type { Scored } from './temperature.ts';

export interface Observed extends Scored {
  /** The whole network's logits on the same examples; the losses that compare with it need them. */
  readonly whole?: ArrayLike<number> | undefined;
  /** [examples, channels, …]: what the exit's stage passes on. */
  readonly cut?: Tensor | undefined;
}

export const logitsAt = ({ classes, logits }: Scored, example: number): ArrayLike<number> =>
  rowOf(logits, classes, example);

export const wholeAt = ({ classes, whole }: Observed, example: number) =>
  whole && rowOf(whole, classes, example);

export const cutAt = ({ cut }: Observed, example: number): Tensor | undefined =>
  cut && sliceRows(cut, example, example + 1);

const rowOf = (rows: ArrayLike<number>, size: number, at: number): ArrayLike<number> =>
  Array.prototype.slice.call(rows, at * size, (at + 1) * size) as number[];
