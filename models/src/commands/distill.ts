// models distill TEACHER --student NAME --out FILE.onnx: a student learns from what a teacher says of images whose labels
// nobody looks at; the labels of the test images alone say how well it did.

import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { countSchema, defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { type Examples, runRows, runStages } from '../bundle/run-stages.ts';
import { readBundle, zooDirectory } from '../node/read-bundle.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { trainScopes } from '../training/imported/find-trained.ts';
import { learningRateAt } from '../training/learning-rate.ts';
import { softLabels } from '../training/soft-labels.ts';
import { openStudent, type Student, studentNetworks } from '../training/student.ts';
import type { TrainingExamples } from '../training/trainer.ts';
import { indexOfMax } from '../training/training-batches.ts';
import { defineCommand, percent, table } from './command.ts';
import { dataDescription, openTrainingSet } from './data-sets.ts';
import { readModel } from './read-model.ts';

const schema = z.object({
  out: z.string().min(1).describe('the ONNX file that is written'),
  student: z
    .string()
    .default('2nn')
    .describe(`${[...studentNetworks.keys()].join(', ')}, or a file .onnx`),
  trains: z
    .enum(trainScopes)
    .default('all')
    .describe('of a student from a file: all of it, or its head'),
  data: z.string().min(1).default('mnist').describe(dataDescription),
  examples: countSchema(1, 1_000_000).default(20_000).describe('how many the teacher labels'),
  temperature: z.coerce
    .number()
    .gt(0)
    .max(100)
    .default(4)
    .describe('softens what the teacher says'),
  epochs: countSchema(1, 1000).default(5),
  batch: countSchema(1, 4096).default(32),
  learningRate: z.coerce.number().gt(0).default(0.02).describe('at its highest'),
  seed: countSchema(0, 2 ** 31).default(1),
  threads: countSchema(1, 64).default(2),
  baseline: z
    .enum(['yes', 'no'])
    .default('no')
    .describe('whether the student also learns from the true labels, beside which it is shown'),
  accuracyDropMax: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.02)
    .describe('how much worse than its teacher a student may be to be written'),
});
type Options = z.output<typeof schema>;

const momentum = 0.9;

export const distill = defineCommand('BUNDLE|FILE.onnx', schema, async (subject, options) => {
  const runtime = createOnnxDirectRuntime();
  const student = await openStudent(options.student, options, runtime);
  if (!student.ok) return student;
  try {
    return await teach(subject, student.value, options, runtime);
  } finally {
    await student.value.trainer.close();
  }
});

async function teach(
  subject: string,
  student: Student,
  options: Options,
  runtime: Runtime,
): Promise<Result<string>> {
  const teacher = await openTeacher(subject, runtime);
  if (!teacher.ok) return teacher;
  const data = await openTrainingSet(options.data, options.seed, options.examples);
  if (!data.ok) return data;
  const { training, test } = data.value;
  const taught = await teacher.value(training);
  if (!taught.ok) return taught;
  const tested = await teacher.value(test);
  if (!tested.ok) return tested;
  const { logits, classes } = taught.value;
  const { temperature } = options;
  const soft = { ...training, labels: softLabels(logits, classes, temperature) };
  const learned = await learn(student, soft, temperature, options);
  if (!learned.ok) return learned;
  const plain = options.baseline === 'yes' ? await learn(student, training, 1, options) : undefined;
  if (plain && !plain.ok) return plain;
  const shown = await compare(tested.value, test, [learned.value, plain?.value], runtime);
  if (!shown.ok) return shown;
  const report = reportOf(subject, options, training.labels.length, shown.value);
  if (shown.value.drop > options.accuracyDropMax)
    return err(
      failure('invalid_bundle', `${report}\nnothing was written: it answers too much worse`),
    );
  return writeStudent(options.out, learned.value, report);
}

interface Logits {
  readonly logits: Float32Array;
  readonly classes: number;
}

type Teacher = (examples: Examples) => Promise<Result<Logits>>;

/** A bundle answers by its last exit, whatever its thresholds say. */
async function openTeacher(subject: string, runtime: Runtime): Promise<Result<Teacher>> {
  if (subject.endsWith('.onnx')) {
    const read = await readModel(subject, runtime);
    return read.ok ? ok((examples) => logitsOf(read.value.bytes, examples, runtime)) : read;
  }
  const folder = basename(subject) === subject ? join(zooDirectory, subject) : subject;
  const bundle = await readBundle(folder, ['edge', 'cloud']);
  if (!bundle.ok) return bundle;
  const { manifest, stages } = bundle.value;
  return ok(async (examples) => {
    const observed = await runStages(manifest, stages, examples, runtime);
    if (!observed.ok) return observed;
    const { logits, classes } = defined(observed.value.at(-1), 'an exit');
    return ok({ logits: logits as Float32Array, classes });
  });
}

async function logitsOf(
  model: Uint8Array,
  { input }: Examples,
  runtime: Runtime,
): Promise<Result<Logits>> {
  const ran = await runRows(model, input, runtime);
  if (!ran.ok) return ran;
  const outputs = Object.values(ran.value);
  const logits = ran.value['logits'] ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (!(logits?.data instanceof Float32Array) || logits.shape.length !== 2)
    return err(failure('invalid_bundle', 'the model has no logits: FP32 [examples, classes]'));
  return ok({ logits: logits.data, classes: logits.shape[1] as number });
}

/** Epoch by epoch, the rate falling as half a cosine. Gives the student's file. */
async function learn(
  { trainer, initial, write }: Student,
  examples: TrainingExamples,
  temperature: number,
  { epochs, batch, learningRate, seed }: Options,
): Promise<Result<Uint8Array>> {
  const weights = initial.slice();
  for (let epoch = 0; epoch < epochs; epoch++) {
    const schedule = { learningRateMax: learningRate, warmupSteps: 0 };
    const task = {
      epochs: 1,
      batch,
      learningRate: learningRateAt(epoch, epochs, schedule),
      momentum,
      temperature,
      seed: seed + epoch,
    };
    const trained = await trainer.train(weights, examples, task);
    if (!trained.ok) return trained;
    for (const [i, change] of trained.value.delta.entries())
      weights[i] = (weights[i] as number) + change;
    process.stderr.write(
      `epoch ${epoch + 1} of ${epochs}: loss ${trained.value.loss.toFixed(4)}\n`,
    );
  }
  return ok(write(weights));
}

interface Comparison {
  /** How much more of the test examples the teacher answers right. */
  readonly drop: number;
  readonly rows: readonly (readonly string[])[];
}

/** The files as they are, on the test examples: the teacher, the student, and the one that learned from labels. */
async function compare(
  teacher: Logits,
  test: Examples,
  students: readonly (Uint8Array | undefined)[],
  runtime: Runtime,
): Promise<Result<Comparison>> {
  const answersOf = ({ logits, classes }: Logits): number[] =>
    Array.from({ length: logits.length / classes }, (_, i) =>
      indexOfMax(logits.subarray(i * classes, (i + 1) * classes)),
    );
  const share = (answers: readonly number[], of: ArrayLike<number>): number =>
    answers.filter((answer, i) => answer === of[i]).length / answers.length;
  const taught = answersOf(teacher);
  const right = share(taught, test.labels);
  const columns = [['teacher', percent(right), '', '']];
  let drop = 0;
  for (const [i, bytes] of students.entries()) {
    if (bytes === undefined) continue;
    const said = await logitsOf(bytes, test, runtime);
    if (!said.ok) return said;
    const answers = answersOf(said.value);
    const accuracy = share(answers, test.labels);
    if (i === 0) drop = right - accuracy;
    columns.push([
      i === 0 ? 'student' : 'by labels',
      percent(accuracy),
      percent(share(answers, taught)),
      String(bytes.byteLength),
    ]);
  }
  const names = ['', 'accuracy', 'as the teacher', 'bytes'];
  return ok({ drop, rows: names.map((name, row) => [name, ...columns.map((c) => c[row] ?? '')]) });
}

const reportOf = (
  subject: string,
  { student, temperature, epochs }: Options,
  count: number,
  { rows }: Comparison,
): string =>
  `${basename(subject)} taught ${basename(student)} on ${count} unlabelled examples, ${epochs} epochs, temperature ${temperature}\n${table(rows)}`;

async function writeStudent(
  out: string,
  bytes: Uint8Array,
  report: string,
): Promise<Result<string>> {
  try {
    await writeFile(out, bytes);
    return ok(`${report}\n${out}`);
  } catch (thrown) {
    return err(failure('invalid_argument', messageOf(thrown)));
  }
}
