// All test images of a model (digits, fashion) on one device, one after the other, everything timed that an answer takes: stage, exit head, softmax
// and decision, and the cloud's stage, run here too, for those that are not confident. Or the whole network for each.

import { decide, unconstrained } from '@skerry/edge-agent';
import { isOutOfDomain, predict, thresholdOf } from '@skerry/models';
import { readBundle } from '@skerry/models/node';
import { imageModels } from '@skerry/models/training';
import { assert, defined } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { type Image, imageBytes, imageShape } from '../image.ts';
import { expectOk } from '../in-process-agent.ts';
import { joinStages } from '../whole-network.ts';

export interface DigitsOptions {
  readonly bundle: string;
  readonly variant: string;
  readonly path: 'early-exit' | 'whole';
  readonly images: number;
}

export interface Digits {
  readonly accuracy: number;
  /** Of the answers. */
  readonly edgeShare: number;
  readonly imageMs: number;
  /** Of processor time, which what else the machine does hardly changes. */
  readonly imageCpuMs: number;
}

interface Answered {
  readonly label: number;
  readonly atEdge: boolean;
}
type AnswerImage = (pixels: Image) => Promise<Answered>;

const warmUpImages = 1_000;

/** Of every decision here: what an exit does not say, a device knows before it asks. */
const circumstances = {
  ...unconstrained,
  policy: 'sync-with-deadline',
  hasNextEdgeStage: false,
  hasCloudStage: true,
  deadlineLeftMs: 250,
  link: { state: 'up' },
} as const;

export async function digits(options: DigitsOptions): Promise<Digits> {
  const { manifest } = expectOk(await readBundle(options.bundle, []));
  const model = defined(imageModels[manifest.name], `the images of ${manifest.name}`);
  const { pixels, labels } = (await model.readImages()).test;
  const imageAt = (i: number): Image => pixels.subarray(i * imageBytes, (i + 1) * imageBytes);
  const answer = await openPath(options);
  for (let i = 0; i < warmUpImages; i++) await answer(imageAt(i));
  let right = 0;
  let atEdge = 0;
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  for (let i = 0; i < options.images; i++) {
    const answered = await answer(imageAt(i));
    right += Number(answered.label === labels[i]);
    atEdge += Number(answered.atEdge);
  }
  const tookMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    accuracy: right / options.images,
    edgeShare: atEdge / options.images,
    imageMs: tookMs / options.images,
    imageCpuMs: (user + system) / 1000 / options.images,
  };
}

async function openPath({ bundle, variant, path }: DigitsOptions): Promise<AnswerImage> {
  const read = expectOk(await readBundle(bundle, ['edge', 'cloud'], variant));
  const [edge, cloud] = read.manifest.stages.map(({ name }) => read.stages.get(name));
  assert(edge !== undefined && cloud !== undefined, 'the digits have two stages');
  const cut = defined(read.manifest.stages[0]?.cut, 'a cut');
  const [first, last] = read.variant.calibration.exits;
  assert(first !== undefined && last !== undefined, 'and two exits');
  const input = (pixels: Image) => new ort.Tensor('uint8', pixels, imageShape);
  const predictFrom = (results: ort.InferenceSession.ReturnType, temperature: number) =>
    predict(logitsOf(results), temperature);
  const cutOf = (results: ort.InferenceSession.ReturnType) => {
    const { dims, data } = defined(results[cut], 'the cut');
    return { datatype: 'UINT8' as const, shape: dims, data: data as Uint8Array<ArrayBuffer> };
  };

  if (path === 'whole') {
    const session = await openSession(joinStages(edge, cloud, cut));
    const [output = ''] = session.outputNames;
    return async (pixels) => {
      const results = await session.run({ image: input(pixels) });
      const logits = results[output]?.data as Float32Array;
      return { label: predict(logits, last.temperature).index, atEdge: false };
    };
  }
  const [edgeSession, cloudSession] = [await openSession(edge), await openSession(cloud)];
  return async (pixels) => {
    const results = await edgeSession.run({ image: input(pixels) });
    const prediction = predictFrom(results, first.temperature);
    const { index, confidence } = prediction;
    const output = { logits: logitsOf(results), prediction, cut: cutOf(results) };
    const threshold = isOutOfDomain(first, output) ? null : thresholdOf(first, prediction);
    // V8 takes 5 µs, a quarter of the stage's run, where properties follow a spread.
    const decision = decide({ confidence, threshold, ...circumstances });
    if (decision.kind === 'exit') return { label: index, atEdge: true };
    const answered = await cloudSession.run({ [cut]: defined(results[cut], 'the cut') });
    return { label: predictFrom(answered, last.temperature).index, atEdge: false };
  };
}

const logitsOf = (results: ort.InferenceSession.ReturnType) =>
  results['logits']?.data as Float32Array;

const openSession = (model: Uint8Array): Promise<ort.InferenceSession> =>
  ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
