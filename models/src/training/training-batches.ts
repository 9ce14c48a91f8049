// Examples as rows to pick from: which they are is checked once, and a batch is gathered as floats and distributions.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { Tensor } from '../tensor.ts';
import { type Shape, sizeOf } from './layers/layer.ts';
import type { TrainingExamples } from './trainer.ts';

export interface ExampleRows {
  readonly count: number;
  readonly classes: number;
  /** The class of a row: the likeliest one where the label is a distribution. */
  labelOf(row: number): number;
  /** Rows in the given order, one after the other: [rows, ...input] and [rows, classes]. */
  gather(rows: ArrayLike<number>): GatheredRows;
}

export interface GatheredRows {
  readonly examples: Float32Array<ArrayBuffer>;
  readonly targets: Float32Array<ArrayBuffer>;
}

export interface RowShape {
  readonly input: Shape;
  readonly classes: number;
  /** What a byte is multiplied by. */
  readonly inputScale: number;
}

/** Fails with `invalid_argument` where inputs or labels are not what the model takes. */
export function readExamples(
  { input, labels }: TrainingExamples,
  { input: shape, classes, inputScale }: RowShape,
): Result<ExampleRows> {
  const { data } = input;
  const count = input.shape[0] ?? 0;
  const size = sizeOf(shape);
  const refuse = (message: string) => err(failure('invalid_argument', message));
  if (!(data instanceof Float32Array || data instanceof Uint8Array) || input.datatype === 'BYTES')
    return refuse(`examples are FP32 or UINT8, not ${input.datatype}`);
  if (count === 0) return refuse('there is no example to train on');
  if (sizeOf(input.shape) !== count * size || data.length !== count * size)
    return refuse(`an example of [${input.shape.slice(1)}] for a model of [${shape}]`);
  const read = readLabels(labels, count, classes);
  if (!read.ok) return read;
  const { labelOf, writeTarget } = read.value;
  const scale = data instanceof Float32Array ? 1 : inputScale;
  return ok({
    count,
    classes,
    labelOf,
    gather(rows) {
      const examples = new Float32Array(rows.length * size);
      const targets = new Float32Array(rows.length * classes);
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i] as number;
        const from = data.subarray(row * size, (row + 1) * size);
        const to = i * size;
        if (scale === 1) examples.set(from, to);
        else for (let j = 0; j < size; j++) examples[to + j] = (from[j] as number) * scale;
        writeTarget(row, targets.subarray(i * classes, (i + 1) * classes));
      }
      return { examples, targets };
    },
  });
}

/** Activations of all of a pass's rows are held at once. */
export const rowsPerPass = 256;

/** All rows, in their order. */
export function* passesOf(count: number): Generator<Uint32Array> {
  for (let at = 0; at < count; at += rowsPerPass)
    yield Uint32Array.from({ length: Math.min(rowsPerPass, count - at) }, (_, i) => at + i);
}

interface ReadLabels {
  labelOf(row: number): number;
  writeTarget(row: number, target: Float32Array): void;
}

function readLabels(
  labels: TrainingExamples['labels'],
  count: number,
  classes: number,
): Result<ReadLabels> {
  const refuse = (message: string) => err(failure('invalid_argument', message));
  if ('datatype' in labels) {
    const { data, shape, datatype } = labels satisfies Tensor;
    if (datatype !== 'FP32' || shape.join() !== `${count},${classes}`)
      return refuse(`labels are ${datatype} [${shape}], not FP32 [${count},${classes}]`);
    const row = (i: number) => (data as Float32Array).subarray(i * classes, (i + 1) * classes);
    return ok({
      labelOf: (i) => indexOfMax(row(i)),
      writeTarget: (i, target) => target.set(row(i)),
    });
  }
  if (labels.length !== count) return refuse(`${labels.length} labels for ${count} examples`);
  for (let i = 0; i < count; i++) {
    const label = labels[i] as number;
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      return refuse(`label ${label} of a model with ${classes} classes`);
  }
  return ok({
    labelOf: (i) => labels[i] as number,
    writeTarget: (i, target) => {
      target[labels[i] as number] = 1;
    },
  });
}

/** The first of the largest; 0 where none is a number. */
export function indexOfMax(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if ((row[i] as number) > (row[best] as number)) best = i;
  return best;
}
