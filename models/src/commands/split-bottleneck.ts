// models split FILE.onnx --at VALUE --bottleneck N: the halves with a trained bottleneck between them, judged by what the
// whole then answers. Where that is too much worse, nothing is written.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { type Examples, runRows } from '../bundle/run-stages.ts';
import { predict } from '../confidence.ts';
import { indexGraph } from '../onnx/graph-index.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { type GraphProfile, profileGraph } from '../onnx/profile-graph.ts';
import { raiseOpset } from '../onnx/raise-opset.ts';
import { type Affine, affineOf } from '../quantize/affine.ts';
import { observeRanges } from '../quantize/observe.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { splitAtBottleneck } from '../split/bottleneck.ts';
import { type Cut, findCuts } from '../split/find-cuts.ts';
import { type Halves, splitGraph } from '../split/split-graph.ts';
import { type TrainedBottleneck, trainBottleneck } from '../split/train-bottleneck.ts';
import { checkTensor, type Tensor, tensorBytes } from '../tensor.ts';
import { batchesOf, sliceRows } from '../tensor-rows.ts';
import { percent, table } from './command.ts';
import { openTrainingSet, type TrainingExamples } from './data-sets.ts';
import type { ReadModel } from './read-model.ts';
import { packedBytes, writeHalves } from './write-halves.ts';

export interface BottleneckOptions {
  readonly at?: string | undefined;
  readonly out?: string | undefined;
  readonly bytes: Affine['datatype'] | 'none';
  readonly channels: number;
  readonly data: string;
  readonly logits?: string | undefined;
  readonly pixelScale: number;
  readonly epochs: number;
  readonly seed: number;
  readonly accuracyDropMax: number;
}

/** More teach a bottleneck nothing: it has few weights. */
const trainingExamplesMax = 16_000;
/** Whose cuts say what range the plain cut's bytes reach. */
const rangeExamples = 256;

const invalid = (message: string) => err(failure('invalid_argument', message));

export async function splitWithBottleneck(
  read: ReadModel,
  options: BottleneckOptions,
  runtime: Runtime,
): Promise<Result<string>> {
  const { at, out, bytes: datatype } = options;
  if (at === undefined || out === undefined) return invalid('--bottleneck needs --at and --out');
  if (datatype === 'none') return invalid('a bottleneck travels as bytes: --bytes UINT8 or INT8');
  const opened = await openNetwork(read, at, options, runtime);
  if (!opened.ok) return opened;
  const { model, cut, data, logits, profile, inputName } = opened.value;
  const trained = await trainBottleneck(
    {
      ...{ model, cut, inputName, index: profile.index, training: data.training.input },
      logits: logitsBehind(model, logits),
      shapeOf: (value) => profile.tensorOf(value)?.shape ?? [],
    },
    { ...options, datatype },
    runtime,
  );
  if (!trained.ok) return trained;
  const { bottleneck, weights, affine } = trained.value;
  const halves = splitAtBottleneck(model, cut, bottleneck, weights, affine);
  const plain = await plainHalves(opened.value, datatype, runtime);
  if (!plain.ok) return plain;
  const judged = [
    await judgeWhole(model, logits, data.test, runtime),
    await judgeHalves(plain.value, logits, data.test, runtime),
    await judgeHalves(halves, logits, data.test, runtime),
  ] as const;
  const [whole, inBytes, narrow] = judged;
  if (!whole.ok) return whole;
  if (!inBytes.ok) return inBytes;
  if (!narrow.ok) return narrow;
  const drop = whole.value.accuracy - narrow.value.accuracy;
  const report = reportOf([whole.value, inBytes.value, narrow.value], trained.value, data);
  if (drop > options.accuracyDropMax)
    return err(
      failure(
        'invalid_bundle',
        `the bottleneck loses ${percent(drop)} of the test examples, at most ${percent(options.accuracyDropMax)}. Nothing was written\n${report}`,
      ),
    );
  return ok(`${report}\n${await writeHalves(halves, out)}`);
}

interface Network {
  readonly model: ModelProto;
  readonly cut: Cut;
  readonly data: TrainingExamples;
  readonly inputName: string;
  readonly logits: string;
  readonly profile: GraphProfile;
}

/** The network with the cut, and examples as it takes them. */
async function openNetwork(
  { model: given, inputs, outputs }: ReadModel,
  at: string,
  { data: name, seed, pixelScale, logits: named }: BottleneckOptions,
  runtime: Runtime,
): Promise<Result<Network>> {
  const [input, second] = inputs;
  if (input === undefined || second !== undefined)
    return invalid('a bottleneck is trained in a network with one input');
  const candidates = outputs.filter(
    (output) =>
      (named === undefined || output.name === named) &&
      output.datatype === 'FP32' &&
      output.shape.length === 2,
  );
  const [logits, other] = candidates;
  if (logits === undefined || other !== undefined)
    return invalid(
      `--logits names the FP32 output of so many numbers an example; there are ${outputs.map((o) => o.name).join(', ')}`,
    );
  const data = await openTrainingSet(name, seed, trainingExamplesMax);
  if (!data.ok) return data;
  const asTaken = ({ input: pixels, labels }: Examples): Examples =>
    input.datatype === 'FP32'
      ? { input: toFloats(pixels, pixelScale), labels }
      : { input: pixels, labels };
  const [training, test] = [asTaken(data.value.training), asTaken(data.value.test)];
  const fits = checkTensor(input, sliceRows(training.input, 0, 1));
  if (!fits.ok || input.shape[0] !== -1)
    return invalid(fits.ok ? `'${input.name}' takes one example alone` : fits.error.message);
  const raised = raiseOpset(given);
  if (!raised.ok) return raised;
  const model = raised.value;
  const feeds = { [input.name]: sliceRows(training.input, 0, 1) };
  const profile = await profileGraph(model, [feeds], runtime);
  if (!profile.ok) return profile;
  const cut = findCuts(profile.value.index).find(({ value }) => value === at);
  const reached = cut?.behind.some(({ output }) => output.includes(logits.name));
  if (cut === undefined || reached !== true || profile.value.tensorOf(at)?.datatype !== 'FP32')
    return invalid(`no cut of FP32 before '${logits.name}' is named ${at}; the list says where`);
  return ok({
    ...{ model, cut, inputName: input.name, logits: logits.name },
    data: { training, test },
    profile: profile.value,
  });
}

function toFloats({ shape, data }: Tensor, scale: number): Tensor {
  return { datatype: 'FP32', shape, data: Float32Array.from(data as Uint8Array, (p) => p * scale) };
}

/** What a Softmax at the end is taken of: shares cannot be distilled twice. */
function logitsBehind({ graph }: ModelProto, output: string): string {
  const index = indexGraph(graph);
  let [value, node] = [output, index.producerOf(output)];
  while (node !== undefined && ['Identity', 'Softmax'].includes(node.opType)) {
    value = defined(node.input[0], 'an input');
    node = index.producerOf(value);
  }
  return value;
}

/** The halves that there would be without a bottleneck. */
async function plainHalves(
  { model, cut, data, inputName, profile }: Network,
  datatype: Affine['datatype'],
  runtime: Runtime,
): Promise<Result<Halves>> {
  const { input } = data.training;
  const examples = sliceRows(input, 0, Math.min(rangeExamples, input.shape[0] as number));
  const runs = batchesOf(examples, 64).map((part) => ({ [inputName]: part }));
  const ranges = await observeRanges(model, [cut.value], runs, 'percentile', runtime);
  if (!ranges.ok) return ranges;
  const range = defined(ranges.value.get(cut.value), 'a range');
  const seen = defined(profile.tensorOf(cut.value), 'the cut');
  return ok(splitGraph(model, cut, seen, affineOf(range, datatype)));
}

interface Judged {
  readonly accuracy: number;
  /** Of an example; absent for the whole network. */
  readonly bytes?: { readonly plain: number; readonly packed: number };
}

async function judgeWhole(
  model: ModelProto,
  logits: string,
  test: Examples,
  runtime: Runtime,
): Promise<Result<Judged>> {
  const ran = await runRows(encodeModel(model), test.input, runtime);
  if (!ran.ok) return ran;
  return ok({ accuracy: accuracyOf(defined(ran.value[logits], logits), test) });
}

async function judgeHalves(
  { device, cloud, name }: Halves,
  logits: string,
  test: Examples,
  runtime: Runtime,
): Promise<Result<Judged>> {
  const first = await runRows(encodeModel(device), test.input, runtime);
  if (!first.ok) return first;
  const crossing = defined(first.value[name], name);
  const ran = await runRows(encodeModel(cloud), crossing, runtime);
  if (!ran.ok) return ran;
  const count = test.labels.length;
  const packed = batchesOf(crossing, 1).reduce(
    (sum, one) => sum + packedBytes(tensorBytes(one)),
    0,
  );
  return ok({
    accuracy: accuracyOf(defined(ran.value[logits], logits), test),
    bytes: { plain: crossing.data.length / count, packed: packed / count },
  });
}

function accuracyOf({ shape, data }: Tensor, { labels }: Examples): number {
  const classes = shape[1] as number;
  let right = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = (data as Float32Array).subarray(i * classes, (i + 1) * classes);
    if (predict(row).index === labels[i]) right += 1;
  }
  return right / labels.length;
}

function reportOf(
  judged: readonly [whole: Judged, inBytes: Judged, narrow: Judged],
  { lost, stoppedBy, bottleneck }: TrainedBottleneck,
  { training, test }: TrainingExamples,
): string {
  const cells = (of: (each: Judged) => string): string[] => judged.map(of);
  const rows = [
    ['', 'uncut', 'cut', `bottleneck of ${bottleneck.encoder.output[0]}`],
    ['accuracy', ...cells(({ accuracy }) => percent(accuracy))],
    ['bytes an example', ...cells(({ bytes }) => bytes?.plain.toFixed(0) ?? '')],
    ['deflated', ...cells(({ bytes }) => bytes?.packed.toFixed(0) ?? '')],
  ];
  const from =
    stoppedBy === undefined
      ? 'distilled from the uncut network’s logits and activations'
      : `distilled from its activations alone: no gradient passes the operator ${stoppedBy}`;
  return [
    table(rows),
    `${from}, on ${training.labels.length} examples; of the cut’s variance ${percent(lost[0])} was lost at first, ${percent(lost[1])} in the end`,
    `judged on ${test.labels.length} examples that trained nothing here`,
  ].join('\n');
}
