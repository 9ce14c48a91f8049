// What onnxruntime-node and onnxruntime-web have in common: their sessions behind our port.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared/plain';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common';
import { textsOf, textTensor } from '../bytes-tensor.ts';
import {
  checkTensor,
  type Datatype,
  type Tensor,
  type TensorData,
  type TensorMap,
  type TensorSpec,
} from '../tensor.ts';
import { type ExecutionProvider, isAccelerated } from './execution-provider.ts';
import { createOpenSessions } from './open-sessions.ts';
import type { LoadOptions, Runtime, Session } from './runtime.ts';

/** The part of an onnxruntime package that a session needs. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InnerSession>;
  };
  readonly Tensor: typeof OrtTensor;
}

export interface InnerSession
  extends Pick<InferenceSession, 'inputMetadata' | 'outputMetadata' | 'release'> {
  run(feeds: InferenceSession.FeedsType): Promise<InferenceSession.ReturnType>;
}

const ortTypes = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
} as const satisfies Record<Datatype, OrtTensor.Type>;

const datatypeOf = new Map<string, Datatype>(
  Object.entries(ortTypes).map(([ours, theirs]) => [theirs, ours as Datatype]),
);

/** A runtime whose sessions run on the thread that calls them. */
export function createOrtRuntime(
  name: string,
  executionProviders: readonly ExecutionProvider[],
  open: Runtime['load'],
): Runtime {
  const sessions = createOpenSessions();
  return {
    name,
    executionProviders,
    async load(model, options) {
      const session = await open(model, options);
      return session.ok ? ok(sessions.hold(session.value)) : session;
    },
    close: sessions.closeAll,
  };
}

export interface OrtSessionOptions extends LoadOptions {
  /**
   * Keeps what it frees for the next run. An arena never shrinks: after one large batch it would hold that much for good
   * (docs/decisions/0054), so it is for sessions that do the same again and again, and end.
   */
  readonly arena?: boolean;
}

/** On one provider, which is not checked; the cpu takes the nodes that it lacks. */
export async function createOrtSession(
  ort: Ort,
  model: Uint8Array,
  provider: ExecutionProvider,
  options: OrtSessionOptions = {},
): Promise<Result<Session>> {
  let inner: InnerSession;
  try {
    inner = await ort.InferenceSession.create(model, {
      // By itself: of a list the library drops what it does not have, and says so to the console alone.
      executionProviders: [provider],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: options.threads ?? 1,
      interOpNumThreads: 1,
      enableCpuMemArena: options.arena ?? false,
      // What goes wrong comes back as a Failure; the library need not print it too.
      logSeverityLevel: 4,
    });
  } catch (thrown) {
    const what = isAccelerated([provider]) ? '' : 'no runnable ONNX model: ';
    return err(failure('invalid_bundle', `${what}${messageOf(thrown)}`));
  }
  const inputs = specsOf(inner.inputMetadata);
  const outputs = specsOf(inner.outputMetadata);
  if (!inputs.ok || !outputs.ok) await release(inner);
  if (!inputs.ok) return inputs;
  if (!outputs.ok) return outputs;
  return ok(wrap(ort, inner, provider, inputs.value, outputs.value));
}

/** What the library does not give back stays until the process ends: nobody who has an answer shall go without for that. */
async function release(inner: InnerSession): Promise<void> {
  try {
    await inner.release();
  } catch {}
}

function wrap(
  ort: Ort,
  inner: InnerSession,
  provider: ExecutionProvider,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): Session {
  let closed = false;
  const execution = { provider, refused: [] };
  return {
    inputs,
    outputs,
    execution: () => execution,
    async run(feeds) {
      if (closed) return err(failure('unavailable', 'the session is closed'));
      const ortFeeds = toOrt(ort, inputs, feeds);
      if (!ortFeeds.ok) return ortFeeds;
      try {
        return fromOrt(await inner.run(ortFeeds.value));
      } catch (thrown) {
        return err(failure('runtime_failed', messageOf(thrown)));
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await release(inner);
    },
  };
}

function specsOf(metadata: readonly InferenceSession.ValueMetadata[]): Result<TensorSpec[]> {
  const specs: TensorSpec[] = [];
  for (const value of metadata) {
    const datatype = value.isTensor ? datatypeOf.get(value.type) : undefined;
    if (!value.isTensor || datatype === undefined)
      return err(
        failure('invalid_bundle', `'${value.name}' has a type that no runtime here takes`),
      );
    const shape = value.shape.map((size) => (typeof size === 'number' ? size : -1));
    specs.push({ name: value.name, datatype, shape });
  }
  return ok(specs);
}

function toOrt(
  ort: Ort,
  inputs: readonly TensorSpec[],
  feeds: TensorMap,
): Result<Record<string, OrtTensor>> {
  const ortFeeds: Record<string, OrtTensor> = {};
  for (const spec of inputs) {
    const tensor = feeds[spec.name];
    if (tensor === undefined)
      return err(failure('invalid_tensor', `input '${spec.name}' is missing`));
    const checked = checkTensor(spec, tensor);
    if (!checked.ok) return checked;
    const data = tensor.datatype === 'BYTES' ? textsOf(tensor) : ok(tensor.data);
    if (!data.ok) return data;
    ortFeeds[spec.name] = new ort.Tensor(
      ortTypes[tensor.datatype],
      data.value as Float32Array,
      tensor.shape,
    );
  }
  return ok(ortFeeds);
}

function fromOrt(results: InferenceSession.OnnxValueMapType): Result<TensorMap> {
  const tensors: Record<string, TensorMap[string]> = {};
  for (const [name, value] of Object.entries(results)) {
    const tensor = value as OrtTensor;
    const datatype = datatypeOf.get(tensor.type);
    if (datatype === undefined)
      return err(failure('runtime_failed', `output '${name}' has type ${tensor.type}`));
    tensors[name] = fromOrtTensor(datatype, tensor);
  }
  return ok(tensors);
}

function fromOrtTensor(datatype: Datatype, { dims, data }: OrtTensor): Tensor {
  if (datatype === 'BYTES') return textTensor(dims, data as string[]);
  // Where the language has a Float16Array, the library gives one.
  if (datatype === 'FP16' && !(data instanceof Uint16Array)) {
    const { buffer, byteOffset, length } = data as unknown as Uint16Array<ArrayBuffer>;
    return { datatype, shape: dims, data: new Uint16Array(buffer, byteOffset, length) };
  }
  return { datatype, shape: dims, data: data as TensorData };
}
