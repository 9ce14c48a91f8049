// The cloud's half of one variant: from the cut tensor to the last exit's logits, many rows in one run.

import {
  bytesPerElement,
  type LastingSession,
  openLastingSession,
  type Runtime,
  type Tensor,
  type TensorMap,
  type TensorSpec,
  tensorBytes,
  tensorFromBytes,
} from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { defined, err, failure, ok, type Result } from '@skerry/shared';

export interface CloudHalf {
  readonly model: string;
  readonly version: string;
  readonly variant: string;
  /** The stage that takes `input`. */
  readonly stage: string;
  /** One row of it: the batch dimension is 1. */
  readonly input: TensorSpec;
  /** Rows that one run may take: 1 where the graph's batch dimension is fixed. */
  readonly rowsMax: number;
  readonly exit: number;
  readonly temperature: number;
  readonly classes: number;
  /** One logits vector a row, in order. */
  run(rows: readonly Tensor[]): Promise<Result<readonly Float32Array[]>>;
  close(): Promise<void>;
}

/** All or, with the Failure of the first that cannot be loaded, none. */
export async function openCloudHalves(
  bundles: readonly Bundle[],
  createRuntime: () => Runtime,
  threads: number,
): Promise<Result<readonly CloudHalf[]>> {
  const halves: CloudHalf[] = [];
  for (const bundle of bundles) {
    const half = await openCloudHalf(bundle, createRuntime, threads);
    if (!half.ok) {
      await Promise.all(halves.map((opened) => opened.close()));
      return half;
    }
    halves.push(half.value);
  }
  return ok(halves);
}

/** Fails with `invalid_bundle` where the bundle has nothing that a cloud could run. */
async function openCloudHalf(
  { manifest, variant, stages }: Bundle,
  createRuntime: () => Runtime,
  threads: number,
): Promise<Result<CloudHalf>> {
  const invalid = (what: string) =>
    err(failure('invalid_bundle', `bundle ${manifest.name}: ${what}`));
  const [stage, second] = manifest.stages.filter((s) => s.side === 'cloud');
  if (stage === undefined || second !== undefined) return invalid('takes exactly one cloud stage');
  const [spec, secondInput] = stage.inputs;
  if (spec === undefined || secondInput !== undefined)
    return invalid(`stage ${stage.name} takes exactly one input`);
  const [batch = 0, ...row] = spec.shape;
  if (row.some((size) => size < 0) || (batch !== -1 && batch !== 1))
    return invalid(`stage ${stage.name} takes rows of one size, got [${spec.shape}]`);
  // checkManifest has seen to it that the last stage, which is the cloud's, holds the last exit.
  const exit = defined(manifest.exits.at(-1), 'the last exit');
  const model = defined(stages.get(stage.name), `the bytes of stage ${stage.name}`);
  const runtime = createRuntime();
  const session = await openLastingSession(runtime, model, { threads });
  if (!session.ok) {
    await runtime.close();
    return session;
  }
  const calibrated = variant.calibration.exits.find((e) => e.exit === exit.index);
  return ok({
    model: manifest.name,
    version: manifest.version,
    variant: variant.digest,
    stage: stage.name,
    input: { ...spec, shape: [1, ...row] },
    rowsMax: batch === 1 ? 1 : Number.POSITIVE_INFINITY,
    exit: exit.index,
    temperature: calibrated?.temperature ?? 1,
    classes: manifest.labels.length,
    run: (rows) => runRows(session.value, rows, spec, exit.logits, manifest.labels.length),
    async close() {
      await session.value.close();
      await runtime.close();
    },
  });
}

async function runRows(
  session: LastingSession,
  rows: readonly Tensor[],
  input: TensorSpec,
  logitsName: string,
  classes: number,
): Promise<Result<readonly Float32Array[]>> {
  const stacked = stack(rows, input);
  if (!stacked.ok) return stacked;
  const results = await session.run({ [input.name]: stacked.value });
  return results.ok ? logitsOf(results.value, logitsName, rows.length, classes) : results;
}

/** Rows of one shape as one tensor, along the first dimension. */
function stack(rows: readonly Tensor[], input: TensorSpec): Result<Tensor> {
  const shape = [rows.length, ...input.shape.slice(1)];
  const rowElements = input.shape.slice(1).reduce((product, size) => product * size, 1);
  const rowBytes = rowElements * bytesPerElement(input.datatype);
  const bytes = new Uint8Array(rows.length * rowBytes);
  for (const [i, row] of rows.entries()) bytes.set(tensorBytes(row), i * rowBytes);
  return tensorFromBytes(input.datatype, shape, bytes);
}

function logitsOf(
  results: TensorMap,
  name: string,
  rows: number,
  classes: number,
): Result<readonly Float32Array[]> {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array) || data.length !== rows * classes)
    return err(failure('runtime_failed', `'${name}' is not FP32 [${rows}, ${classes}]`));
  return ok(Array.from({ length: rows }, (_, i) => data.subarray(i * classes, (i + 1) * classes)));
}
