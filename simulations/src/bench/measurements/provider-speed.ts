// One graph on one execution provider, in batches of one size: how fast it is, and how near to what the cpu computes.

import { readFile } from 'node:fs/promises';
import type { Tensor, TensorMap, TensorSpec } from '@skerry/models';
import {
  createOnnxDirectRuntime,
  type ExecutionProvider,
  type Session,
} from '@skerry/models/runtime';
import { createRandom, type Random } from '@skerry/shared';
import { median } from '../statistics.ts';

export interface ProviderSpeedOptions {
  /** An ONNX file. */
  readonly model: string;
  readonly provider: ExecutionProvider;
  readonly threads: number;
  readonly rows: number;
  /** Of each row, where the graph takes tokens. */
  readonly tokens: number;
  /** Runs begin for so long, but one at least. */
  readonly forMs: number;
}

export interface ProviderSpeed {
  /** Until the session was there, held against the cpu. */
  readonly openMs: number;
  readonly firstMs: number;
  readonly batchMs: number;
  readonly runs: number;
  readonly residentMiB: number;
  /** The largest difference from the cpu's, of any output. */
  readonly differenceMax: number;
  /** Of one row's output with the cpu's: the least. */
  readonly cosineMin: number;
}

/** Why the provider is not to be had here. */
export interface Unavailable {
  readonly unavailable: string;
}

const runsMax = 500;
const idsFrom = 1_000;
const idsRange = 20_000;

export async function providerSpeed(
  options: ProviderSpeedOptions,
): Promise<ProviderSpeed | Unavailable> {
  const { provider, rows, tokens } = options;
  const model = await readFile(options.model);
  const startedMs = performance.now();
  const session = await open(model, options, provider === 'cpu' ? ['cpu'] : [provider, 'cpu']);
  const openMs = performance.now() - startedMs;
  const { refused } = session.execution();
  if (session.execution().provider !== provider)
    return { unavailable: refused.map(({ reason }) => reason).join('; ') };
  const feeds = feedsOf(session.inputs, rows, tokens, createRandom(1));
  const timed = async (): Promise<readonly [number, TensorMap]> => {
    const beganMs = performance.now();
    const ran = await session.run(feeds);
    if (!ran.ok) throw new Error(ran.error.message);
    return [performance.now() - beganMs, ran.value];
  };
  const [firstMs, given] = await timed();
  const times: number[] = [];
  const untilMs = performance.now() + options.forMs;
  do times.push((await timed())[0]);
  while (performance.now() < untilMs && times.length < runsMax);
  const residentMiB = process.memoryUsage().rss / 2 ** 20;
  const speed = { openMs, firstMs, batchMs: median(times), runs: times.length, residentMiB };
  if (session.execution().provider !== provider)
    return {
      unavailable: session
        .execution()
        .refused.map(({ reason }) => reason)
        .join('; '),
    };
  await session.close();
  if (provider === 'cpu') return { ...speed, differenceMax: 0, cosineMin: 1 };
  const reference = await open(model, options, ['cpu']);
  const expected = await reference.run(feeds);
  if (!expected.ok) throw new Error(expected.error.message);
  return { ...speed, ...agreement(expected.value, given, rows) };
}

async function open(
  model: Uint8Array,
  { threads }: ProviderSpeedOptions,
  providers: readonly ExecutionProvider[],
): Promise<Session> {
  const session = await createOnnxDirectRuntime(providers).load(model, { threads });
  if (!session.ok) throw new Error(session.error.message);
  return session.value;
}

/** Noise, and for a BERT tokens that are all there. */
function feedsOf(
  inputs: readonly TensorSpec[],
  rows: number,
  tokens: number,
  random: Random,
): TensorMap {
  const feeds: Record<string, Tensor> = {};
  for (const { name, datatype, shape } of inputs) {
    const sizes = shape.map((size, axis) => (size !== -1 ? size : axis === 0 ? rows : tokens));
    const length = sizes.reduce((product, size) => product * size, 1);
    const each: () => number =
      name === 'input_ids'
        ? () => idsFrom + random.below(idsRange)
        : name === 'attention_mask'
          ? () => 1
          : () => 0;
    const data =
      datatype === 'INT64'
        ? BigInt64Array.from({ length }, () => BigInt(each()))
        : datatype === 'UINT8'
          ? Uint8Array.from({ length }, () => random.below(256))
          : Float32Array.from({ length }, () => 2 * random.next() - 1);
    feeds[name] = { datatype, shape: sizes, data };
  }
  return feeds;
}

function agreement(
  expected: TensorMap,
  given: TensorMap,
  rows: number,
): Pick<ProviderSpeed, 'differenceMax' | 'cosineMin'> {
  let differenceMax = 0;
  let cosineMin = 1;
  for (const [name, { data }] of Object.entries(expected)) {
    const other = given[name]?.data ?? [];
    const size = data.length / rows;
    for (let row = 0; row < rows; row++) {
      let [dot, ours, theirs] = [0, 0, 0];
      for (let i = row * size; i < (row + 1) * size; i++) {
        const [a, b] = [Number(data[i]), Number(other[i])];
        const off = Math.abs(a - b);
        if (!(off <= differenceMax)) differenceMax = off;
        dot += a * b;
        ours += a * a;
        theirs += b * b;
      }
      cosineMin = Math.min(cosineMin, dot / Math.sqrt(ours * theirs));
    }
  }
  return { differenceMax, cosineMin };
}
