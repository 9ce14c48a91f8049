// A further variant of a bundle, its stages in bytes inside: calibrated anew, since its confidences are its own, and
// refused where it answers worse than it may. What travels between the stages stays as it was.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { calibrateVariant } from '../bundle/calibrate-variant.ts';
import type { ExitCalibration } from '../bundle/calibration.ts';
import type { Manifest, Variant } from '../bundle/manifest.ts';
import { type ExitsMeasured, measureExits, metricsOf } from '../bundle/measure-exits.ts';
import {
  type CalibrationExamples,
  type Examples,
  runRows,
  runStages,
  type StageBytes,
} from '../bundle/run-stages.ts';
import type { Criterion } from '../calibration/calibrate-exit.ts';
import { examplesDigest } from '../node/examples-digest.ts';
import type { Bundle } from '../node/read-bundle.ts';
import { variantDigest } from '../node/variant-digest.ts';
import { decodeModel, encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Tensor, tensorOf } from '../tensor.ts';
import { batchesOf, sliceRows } from '../tensor-rows.ts';
import type { Skipped } from './plan-qdq.ts';
import type { Quantized } from './quantize-static.ts';

export interface BundleQuantization {
  /** The new variant's name. */
  readonly name: string;
  /** How one stage is quantized, given its input on the tuning examples. */
  readonly quantize: (model: ModelProto, runs: readonly Tensor[]) => Promise<Result<Quantized>>;
  /** How much of its accuracy any exit, and the whole, may lose: 0.002 is two examples in a thousand. */
  readonly accuracyDropMax: number;
}

export interface QuantizedBundle {
  readonly manifest: Manifest;
  readonly variant: Variant;
  /** By path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly before: ExitsMeasured;
  readonly after: ExitsMeasured;
  readonly nodes: number;
  readonly skipped: readonly Skipped[];
  /** One example as each stage gets it, by the stage's name. */
  readonly samples: ReadonlyMap<string, Tensor>;
}

const calibrationRows = 100;
/** Of a golden logit: bytes round to another step where a float in front of them differs in its last bit. */
const goldenTolerance = 0.5;

/**
 * `bundle` holds all stages of the variant that is quantized. Fails with `invalid_argument` where the new variant would
 * take that one's place, and with `invalid_bundle` at the gate.
 */
export async function quantizeBundle(
  bundle: Bundle,
  data: CalibrationExamples,
  options: BundleQuantization,
  runtime: Runtime,
): Promise<Result<QuantizedBundle>> {
  const { manifest } = bundle;
  if (options.name === bundle.variant.name)
    return err(
      failure('invalid_argument', `'${options.name}' is what is quantized: choose another name`),
    );
  const stages = await quantizeStages(bundle, data.tuning.input, options, runtime);
  if (!stages.ok) return stages;
  const { bytes, ...quantized } = stages.value;
  const files = new Map(
    [...bytes].map(([stage, content]) => [`${stage}.${options.name}.onnx`, content]),
  );
  const named = Object.fromEntries(
    [...bytes].map(([stage, content]) => [
      stage,
      {
        path: `${stage}.${options.name}.onnx`,
        bytes: content.byteLength,
        sha256: sha256(content),
      },
    ]),
  );
  const digest = variantDigest(manifest.stages, named);
  const exits = await calibrateVariant(manifest, bytes, data, criterionOf(bundle), runtime);
  if (!exits.ok) return exits;
  const before = await measureVariant(
    manifest,
    bundle.stages,
    data.test,
    bundle.variant.calibration.exits,
    runtime,
  );
  const after = await measureVariant(manifest, bytes, data.test, exits.value, runtime);
  const golden = await goldenOf(manifest, bytes, runtime);
  if (!before.ok) return before;
  if (!after.ok) return after;
  if (!golden.ok) return golden;
  const passed = gate(before.value, after.value, options);
  if (!passed.ok) return passed;
  const variant: Variant = {
    name: options.name,
    digest,
    files: named,
    calibration: {
      variant: digest,
      data: examplesDigest(data.tuning, data.proving),
      exits: exits.value,
    },
    golden: golden.value,
    metrics: metricsOf(after.value),
  };
  return ok({
    manifest: withVariant(manifest, variant),
    variant,
    files,
    before: before.value,
    after: after.value,
    ...quantized,
  });
}

/** Each stage is calibrated on what the quantized stage before it gives: what it will see. */
async function quantizeStages(
  { manifest, stages }: Bundle,
  tuning: Tensor,
  { quantize }: BundleQuantization,
  runtime: Runtime,
): Promise<Result<{ bytes: StageBytes } & Pick<QuantizedBundle, 'nodes' | 'skipped' | 'samples'>>> {
  const bytes = new Map<string, Uint8Array>();
  const samples = new Map<string, Tensor>();
  const skipped: Skipped[] = [];
  let nodes = 0;
  let input = tuning;
  for (const stage of manifest.stages) {
    samples.set(stage.name, sliceRows(input, 0, 1));
    const model = decodeModel(defined(stages.get(stage.name), `stage ${stage.name}`));
    if (!model.ok) return model;
    const quantized = await quantize(model.value, batchesOf(input, calibrationRows));
    if (!quantized.ok) return quantized;
    const content = encodeModel(quantized.value.model);
    bytes.set(stage.name, content);
    nodes += quantized.value.nodes;
    skipped.push(...quantized.value.skipped);
    const ran = await runRows(content, input, runtime);
    if (!ran.ok) return ran;
    input = stage.cut === undefined ? tuning : defined(ran.value[stage.cut], stage.cut);
  }
  return ok({ bytes, nodes, skipped, samples });
}

/** What is bounded, and how, is what it was in the variant it is made from. */
export const criterionOf =
  ({ variant }: Bundle) =>
  (exit: number): Criterion | undefined => {
    const of = variant.calibration.exits.find((e) => e.exit === exit);
    if (of === undefined || of.method === 'none') return undefined;
    const { epsilon, delta, method, loss, thresholds } = of;
    return { bound: { epsilon, delta }, method, loss, perClass: thresholds !== undefined };
  };

/** On examples that neither trained nor calibrated it. */
export async function measureVariant(
  manifest: Manifest,
  bytes: StageBytes,
  test: Examples,
  calibration: readonly ExitCalibration[],
  runtime: Runtime,
): Promise<Result<ExitsMeasured>> {
  const scored = await runStages(manifest, bytes, test, runtime);
  return scored.ok ? ok(measureExits(scored.value, calibration)) : scored;
}

function gate(
  before: ExitsMeasured,
  after: ExitsMeasured,
  { name, accuracyDropMax }: BundleQuantization,
): Result<void> {
  const points = (share: number): string => (100 * share).toFixed(2);
  const drops = [
    ...before.accuracyAtExit.map((accuracy, i) => ({
      where: `at exit ${i + 1}`,
      drop: accuracy - (after.accuracyAtExit[i] as number),
    })),
    { where: 'end to end', drop: before.accuracyEndToEnd - after.accuracyEndToEnd },
  ];
  const failed = drops.filter(({ drop }) => drop > accuracyDropMax);
  if (failed.length === 0) return ok(undefined);
  const text = failed.map(({ where, drop }) => `${points(drop)} points of accuracy ${where}`);
  return err(
    failure(
      'invalid_bundle',
      `${name} loses ${text.join(', ')}; it may lose ${points(accuracyDropMax)}. Nothing was written`,
    ),
  );
}

/** What this variant gives on the bundle's golden inputs. */
export async function goldenOf(
  manifest: Manifest,
  bytes: StageBytes,
  runtime: Runtime,
): Promise<Result<NonNullable<Variant['golden']>>> {
  const { datatype, shape } = defined(manifest.inputs[0], 'the bundle’s input');
  const one = shape.map((size) => (size === -1 ? 1 : size));
  const golden: NonNullable<Variant['golden']> = [];
  for (const { input } of manifest.golden) {
    const tensor = tensorOf(datatype, one, input);
    if (!tensor.ok) return tensor;
    const scored = await runStages(manifest, bytes, { input: tensor.value, labels: [0] }, runtime);
    if (!scored.ok) return scored;
    const logits = Object.fromEntries(
      manifest.exits.map(({ index }, i) => [
        index,
        Array.from(scored.value[i]?.logits ?? [], (logit) => Number(logit.toFixed(4))),
      ]),
    );
    golden.push({ logits, tolerance: goldenTolerance });
  }
  return ok(golden);
}

/** In place of the variant of that name, or after the others. */
function withVariant(manifest: Manifest, variant: Variant): Manifest {
  const others = manifest.variants.filter(({ name }) => name !== variant.name);
  return { ...manifest, variants: [...others, variant] };
}
