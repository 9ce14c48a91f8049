// Trains a bottleneck at a cut of a network that stays as it is: the uncut network is the teacher, and no labels are
// needed. It starts from the cut's principal directions, of which nothing linear loses less, and then learns which of
// what is lost the network behind it needs.

import {
  collect,
  createRandom,
  defined,
  ok,
  type Random,
  type Result,
  shuffle,
} from '@skerry/shared';
import { encodeModel } from '../onnx/model-proto.ts';
import { type Affine, affineOf, reachOf } from '../quantize/affine.ts';
import { addToHistogram, chooseRange, createHistogram } from '../quantize/choose-range.ts';
import { withOutputs } from '../quantize/observe.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { concatRows, sliceRows } from '../tensor-rows.ts';
import { createAdam } from '../training/adam.ts';
import { learningRateAt } from '../training/learning-rate.ts';
import type { Weights } from '../training/weights.ts';
import {
  type Bottleneck,
  bottleneckNames,
  bottleneckShapes,
  createBottleneck,
} from './bottleneck.ts';
import {
  type BottleneckStep,
  createBottleneckStep,
  bottleneckStepNames as names,
} from './bottleneck-step.ts';
import { principalBasis, type Rows } from './principal-basis.ts';

export interface BottleneckTask extends Omit<BottleneckStep, 'batch' | 'variance'> {
  /** The network's only input. */
  readonly inputName: string;
  /** Examples to learn from, as the network takes them. */
  readonly training: Tensor;
}

export interface BottleneckRecipe {
  readonly channels: number;
  readonly epochs: number;
  readonly datatype: Affine['datatype'];
  readonly seed: number;
}

export interface TrainedBottleneck {
  readonly bottleneck: Bottleneck;
  readonly weights: Weights;
  readonly affine: Affine;
  /** Of the cut's variance, the share lost at first and in the end, in the mean of an epoch. */
  readonly lost: readonly [first: number, last: number];
  readonly stoppedBy: string | undefined;
}

const batch = 64;
/** Whose cuts choose the start and the range of the bytes. */
const sampleExamples = 512;
const schedule = { learningRateMax: 0.01, warmupSteps: 20 } as const;

/** Fails as the runtime does, and with `invalid_argument` where such a cut takes no such bottleneck. */
export async function trainBottleneck(
  task: BottleneckTask,
  recipe: BottleneckRecipe,
  runtime: Runtime,
): Promise<Result<TrainedBottleneck>> {
  const teacher = await runtime.load(
    encodeModel(withOutputs(task.model, [task.cut.value, task.logits])),
    { threads: 2 },
  );
  if (!teacher.ok) return teacher;
  try {
    return await learn(task, recipe, runtime, teacher.value);
  } finally {
    await teacher.value.close();
  }
}

async function learn(
  task: BottleneckTask,
  recipe: BottleneckRecipe,
  runtime: Runtime,
  teacher: Session,
): Promise<Result<TrainedBottleneck>> {
  const random = createRandom(recipe.seed);
  const rows = await sampleRows(task, teacher);
  if (!rows.ok) return rows;
  const isPositive = rows.value.data.every((value) => value >= 0);
  const shape = task.shapeOf(task.cut.value).slice(1);
  const made = createBottleneck(shape, recipe.channels, isPositive);
  if (!made.ok) return made;
  const weights = initialWeights(rows.value, recipe.channels, random);
  const step = { ...task, batch, variance: varianceOf(rows.value) };
  const { model, stoppedBy } = createBottleneckStep(made.value, step);
  const session = await runtime.load(encodeModel(model), { threads: 2 });
  if (!session.ok) return session;
  const adam = createAdam(weights);
  const shapes = bottleneckShapes(made.value);
  const batches = drawBatches(task.training.shape[0] as number, random);
  const steps = recipe.epochs * batches.perEpoch;
  const lost: number[] = [];
  try {
    let held = affineOfCodes(rows.value, weights, recipe);
    for (let i = 0; i < steps; i++) {
      // The weights move, and with them what the bytes must reach.
      if (i % batches.perEpoch === 0) held = affineOfCodes(rows.value, weights, recipe);
      const feeds = await feedsOf(task, batches.next(), teacher);
      if (!feeds.ok) return feeds;
      const { activation, logits } = feeds.value;
      const ran = await session.value.run({
        ...Object.fromEntries(
          [...weights].map(([name, values]) => [
            name,
            fp32(defined(shapes.get(name), name), values.slice()),
          ]),
        ),
        ...rangeFeeds(held),
        [names.activation]: activation,
        ...(stoppedBy === undefined ? { [names.teacher]: logits } : {}),
      });
      if (!ran.ok) return ran;
      const valuesOf = (name: string) =>
        defined(ran.value[name], name).data as Float32Array<ArrayBuffer>;
      lost.push(defined(valuesOf(names.lost)[0], 'a loss'));
      const gradients = [...weights.keys()].map(
        (name) => [name, valuesOf(names.gradient(name))] as const,
      );
      adam.step(new Map(gradients), learningRateAt(i, steps, schedule));
    }
  } finally {
    await session.value.close();
  }
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return ok({
    bottleneck: made.value,
    weights,
    affine: affineOfCodes(rows.value, weights, recipe),
    lost: [defined(lost[0], 'a step'), mean(lost.slice(-batches.perEpoch))],
    stoppedBy,
  });
}

const fp32 = (shape: readonly number[], data: Float32Array<ArrayBuffer>): Tensor => ({
  datatype: 'FP32',
  shape,
  data,
});

function rangeFeeds(affine: Affine) {
  const { min, max } = reachOf(affine);
  const scalar = (value: number) => fp32([], Float32Array.of(value));
  return {
    [names.scale]: scalar(affine.scale),
    [names.least]: scalar(min),
    [names.most]: scalar(max),
  };
}

/** Every example once an epoch, in a new order; the last, smaller batch is left out. */
function drawBatches(count: number, random: Random) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  let at = count;
  return {
    perEpoch: Math.floor(count / batch),
    next(): Uint32Array {
      if (at + batch > count) {
        shuffle(order, random);
        at = 0;
      }
      at += batch;
      return order.subarray(at - batch, at);
    },
  };
}

/** What the uncut network has at the cut, and its logits, of these examples. */
async function feedsOf(task: BottleneckTask, chosen: Uint32Array, teacher: Session) {
  const examples = Array.from(chosen, (i) => sliceRows(task.training, i, i + 1));
  const ran = await teacher.run({ [task.inputName]: concatRows(examples) });
  if (!ran.ok) return ran;
  return ok({
    activation: defined(ran.value[task.cut.value], 'the cut'),
    logits: defined(ran.value[task.logits], 'the logits'),
  });
}

/** The cut of some examples: a row a place. */
async function sampleRows(task: BottleneckTask, teacher: Session): Promise<Result<Rows>> {
  const count = Math.min(sampleExamples, task.training.shape[0] as number);
  const chosen = Uint32Array.from({ length: count }, (_, i) => i);
  const parts: Result<Tensor>[] = [];
  for (let from = 0; from < count; from += batch) {
    const feeds = await feedsOf(task, chosen.subarray(from, from + batch), teacher);
    parts.push(feeds.ok ? ok(feeds.value.activation) : feeds);
  }
  const tensors = collect(parts);
  return tensors.ok ? ok(rowsOf(concatRows(tensors.value))) : tensors;
}

/** [examples, channels, …] with the channels last. */
function rowsOf({ shape, data }: Tensor): Rows {
  const [count = 0, width = 0, ...rest] = shape;
  const places = rest.reduce((a, b) => a * b, 1);
  const rows = new Float32Array(data.length);
  for (let example = 0; example < count; example++)
    for (let channel = 0; channel < width; channel++)
      for (let place = 0; place < places; place++)
        rows[(example * places + place) * width + channel] = data[
          (example * width + channel) * places + place
        ] as number;
  return { count: count * places, width, data: rows };
}

function varianceOf({ data }: Rows): number {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const square = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
  return Math.max(square, varianceMin);
}

/** Of a cut that is the same for every input: nothing is to be learned there, and nothing divides by zero. */
const varianceMin = 1e-12;
/** The start needs no more numbers than these. */
const basisNumbersMax = 1_048_576;

/** Onto the principal directions, and back. */
function initialWeights(rows: Rows, channels: number, random: Random): Weights {
  const { width } = rows;
  const stride = Math.ceil((rows.count * width) / basisNumbersMax);
  const { mean, directions } = principalBasis(everyNth(rows, stride), channels, random);
  const encode = Float32Array.from(directions.flatMap((direction) => [...direction]));
  const decode = new Float32Array(encode.length);
  for (let c = 0; c < width; c++)
    for (let k = 0; k < channels; k++) decode[c * channels + k] = encode[k * width + c] as number;
  const offsets = directions.map((d) => -d.reduce((sum, v, c) => sum + v * (mean[c] ?? 0), 0));
  const { encoder, decoder } = bottleneckNames;
  return new Map([
    [encoder.weight, encode],
    [encoder.bias, Float32Array.from(offsets)],
    [decoder.weight, decode],
    [decoder.bias, Float32Array.from(mean)],
  ]);
}

function everyNth({ count, width, data }: Rows, n: number): Rows {
  const kept = Math.ceil(count / n);
  const out = new Float32Array(kept * width);
  for (let r = 0; r < kept; r++)
    out.set(data.subarray(r * n * width, (r * n + 1) * width), r * width);
  return { count: kept, width, data: out };
}

/** How the encoder's outputs on the sample travel as bytes. */
function affineOfCodes(rows: Rows, weights: Weights, { channels, datatype }: BottleneckRecipe) {
  const encode = defined(weights.get(bottleneckNames.encoder.weight), 'weights');
  const bias = defined(weights.get(bottleneckNames.encoder.bias), 'biases');
  const { count, width, data } = rows;
  const codes = new Float32Array(count * channels);
  for (let r = 0; r < count; r++)
    for (let k = 0; k < channels; k++) {
      let sum = bias[k] as number;
      for (let c = 0; c < width; c++)
        sum += (encode[k * width + c] as number) * (data[r * width + c] as number);
      codes[r * channels + k] = sum;
    }
  const extent = codes.reduce(
    ({ min, max }, value) => ({ min: Math.min(min, value), max: Math.max(max, value) }),
    { min: 0, max: 0 },
  );
  const histogram = createHistogram(extent);
  addToHistogram(histogram, codes);
  return affineOf(chooseRange('percentile', histogram), datatype);
}
