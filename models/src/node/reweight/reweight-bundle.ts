// A bundle with other weights, as a run of learning leaves them: the same graphs, the same stages, every variant that the old
// one has, calibrated anew on examples that nobody has trained on, and refused where it answers worse than it may.

import { assert, defined, err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { calibrateVariant } from '../../bundle/calibrate-variant.ts';
import type { Manifest, Variant } from '../../bundle/manifest.ts';
import { type ExitsMeasured, metricsOf } from '../../bundle/measure-exits.ts';
import type { CalibrationExamples, StageBytes } from '../../bundle/run-stages.ts';
import { replaceInitializers } from '../../onnx/initializers.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../onnx/model-proto.ts';
import {
  type BundleQuantization,
  criterionOf,
  goldenOf,
  measureVariant,
  quantizeBundle,
} from '../../quantize/quantize-bundle.ts';
import { quantizeModel } from '../../quantize/quantize-model.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import { prepareGraph, writeWeights } from '../../training/imported/prepare-graph.ts';
import { examplesDigest } from '../examples-digest.ts';
import type { Bundle } from '../read-bundle.ts';
import { variantDigest } from '../variant-digest.ts';
import { rescaleCuts } from './rescale-cuts.ts';

export interface NewWeights {
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** Whose graph they were read out of; absent: of the whole network, whose weights have names of their own in all stages. */
  readonly stage?: string;
}

export interface Reweighting extends NewWeights {
  readonly version: string;
  /** Of the variants beside the first, those to be made too. */
  readonly variants: readonly string[];
  readonly lineage: Pick<Manifest['lineage'], 'recipe'> & {
    /** Beside what the base was made from. */
    readonly data: Manifest['lineage']['data'];
  };
  readonly card: { readonly limitations: string; readonly metrics: Record<string, number> };
  /** How much of its accuracy it may lose against the base: 0.01 is one example in a hundred. */
  readonly accuracyDropMax: number;
}

export interface ReweightedBundle {
  readonly manifest: Manifest;
  /** By path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly before: ExitsMeasured;
  readonly after: ExitsMeasured;
}

/** Of a further variant against the first. */
const variantDropMax = 0.01;

/** `base` holds all stages of the first variant. Fails with `invalid_bundle` at the gate, or as the runtime does. */
export async function reweightBundle(
  base: Bundle,
  data: CalibrationExamples,
  how: Reweighting,
  runtime: Runtime,
): Promise<Result<ReweightedBundle>> {
  const { manifest } = base;
  const stages = await reweightStages(base, data.tuning.input, how, runtime);
  if (!stages.ok) return stages;
  const bytes = stages.value;
  const exits = await calibrateVariant(manifest, bytes, data, criterionOf(base), runtime);
  if (!exits.ok) return exits;
  const { calibration: old } = base.variant;
  const before = await measureVariant(manifest, base.stages, data.test, old.exits, runtime);
  if (!before.ok) return before;
  const after = await measureVariant(manifest, bytes, data.test, exits.value, runtime);
  if (!after.ok) return after;
  const passed = gate(before.value, after.value, how);
  if (!passed.ok) return passed;
  const golden = await goldenOf(manifest, bytes, runtime);
  if (!golden.ok) return golden;
  const { variant, files } = firstVariant(base, bytes, {
    exits: exits.value,
    data: examplesDigest(data.tuning, data.proving),
  });
  const { recipe, data: more } = how.lineage;
  const first: Manifest = {
    ...manifest,
    version: how.version,
    variants: [variant],
    golden: manifest.golden.map((each, i) => ({
      ...each,
      logits: defined(golden.value[i], 'golden logits').logits,
    })),
    lineage: { recipe, seed: manifest.lineage.seed, data: [...manifest.lineage.data, ...more] },
    card: {
      ...manifest.card,
      limitations: `${manifest.card.limitations} ${how.card.limitations}`.trim(),
      metrics: { ...metricsOf(after.value), ...how.card.metrics },
    },
  };
  const bundle: Bundle = { ...base, manifest: first, variant, stages: bytes };
  const all = await withVariants(bundle, data, how, runtime, files);
  return all.ok ? ok({ ...all.value, before: before.value, after: after.value }) : all;
}

/** A stage that nothing changes in keeps its bytes. */
async function reweightStages(
  { manifest, stages }: Bundle,
  tuning: Tensor,
  how: NewWeights,
  runtime: Runtime,
): Promise<Result<StageBytes>> {
  const before = new Map<string, ModelProto>();
  const models = new Map<string, ModelProto>();
  const { weights } = how;
  const placed = new Set<string>();
  for (const { name } of manifest.stages) {
    const bytes = defined(stages.get(name), `stage ${name}`);
    const model = decodeModel(bytes);
    if (!model.ok) return model;
    before.set(name, model.value);
    const has = model.value.graph.initializer.flatMap(({ name: of = '' }) =>
      weights.has(of) ? [of] : [],
    );
    const isOther = how.stage === undefined ? has.length === 0 : how.stage !== name;
    const changed = isOther ? model : await replaceIn(model.value, bytes, how, runtime);
    if (!changed.ok) return changed;
    models.set(name, changed.value);
    if (!isOther) for (const of of how.stage === undefined ? has : weights.keys()) placed.add(of);
  }
  const lost = [...weights.keys()].find((name) => !placed.has(name));
  if (lost !== undefined)
    return err(failure('invalid_argument', `no stage of ${manifest.name} has a '${lost}'`));
  const learned = new Set(weights.keys());
  const rescaled = await rescaleCuts(manifest.stages, models, { learned, input: tuning }, runtime);
  if (!rescaled.ok) return rescaled;
  return ok(
    new Map(
      [...rescaled.value].map(([name, model]) => [
        name,
        model === before.get(name) ? defined(stages.get(name), name) : encodeModel(model),
      ]),
    ),
  );
}

async function replaceIn(
  model: ModelProto,
  bytes: Uint8Array,
  { weights, stage }: NewWeights,
  runtime: Runtime,
): Promise<Result<ModelProto>> {
  if (stage === undefined) return replaceInitializers(model, weights);
  const graph = await prepareGraph(bytes, runtime);
  return graph.ok ? writeWeights(graph.value, weights) : graph;
}

function firstVariant(
  { manifest, variant: old }: Bundle,
  bytes: StageBytes,
  calibration: Pick<Variant['calibration'], 'exits' | 'data'>,
): { readonly variant: Variant; readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  const named: Record<string, Variant['files'][string]> = {};
  for (const [stage, content] of bytes) {
    const path = defined(old.files[stage], `stage ${stage}`).path;
    files.set(path, content);
    named[stage] = { path, bytes: content.byteLength, sha256: sha256(content) };
  }
  const digest = variantDigest(manifest.stages, named);
  return {
    files,
    variant: {
      name: old.name,
      digest,
      files: named,
      calibration: { variant: digest, ...calibration },
    },
  };
}

function gate(
  before: ExitsMeasured,
  after: ExitsMeasured,
  { accuracyDropMax }: Reweighting,
): Result<void> {
  const drop = before.accuracyEndToEnd - after.accuracyEndToEnd;
  if (drop <= accuracyDropMax) return ok(undefined);
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return err(
    failure(
      'invalid_bundle',
      `on held-out examples it answers ${percent(after.accuracyEndToEnd)} rightly, its base ${percent(before.accuracyEndToEnd)}: it may lose ${percent(accuracyDropMax)}`,
    ),
  );
}

const quantization = {
  mode: 'static',
  weightBits: 7,
  activations: 'UINT8',
  method: 'min-max',
  excluded: new Set<string>(),
} as const;

async function withVariants(
  bundle: Bundle,
  data: CalibrationExamples,
  { variants }: Reweighting,
  runtime: Runtime,
  files: Map<string, Uint8Array>,
): Promise<Result<Pick<ReweightedBundle, 'manifest' | 'files'>>> {
  let { manifest } = bundle;
  for (const name of variants) {
    assert(name !== bundle.variant.name, 'a further variant has another name');
    const quantize: BundleQuantization['quantize'] = (model, runs) => {
      const input = defined(model.graph.input[0], 'a stage’s input').name;
      const feeds = runs.map((run) => ({ [input]: run }));
      return quantizeModel(model, feeds, quantization, runtime);
    };
    const quantized = await quantizeBundle(
      { ...bundle, manifest },
      data,
      { name, accuracyDropMax: variantDropMax, quantize },
      runtime,
    );
    if (!quantized.ok) return quantized;
    manifest = quantized.value.manifest;
    for (const [path, content] of quantized.value.files) files.set(path, content);
  }
  return ok({ manifest, files });
}

/** How often the base answers rightly with these weights, on the examples that judge; `accuracy` is of the exit that learns. */
export async function evaluateStages(
  base: Bundle,
  data: CalibrationExamples,
  how: NewWeights,
  runtime: Runtime,
): Promise<Result<Record<string, number>>> {
  const stages = await reweightStages(base, data.tuning.input, how, runtime);
  if (!stages.ok) return stages;
  const { exits } = base.variant.calibration;
  const measured = await measureVariant(base.manifest, stages.value, data.test, exits, runtime);
  if (!measured.ok) return measured;
  const { accuracyAtExit } = measured.value;
  // Of the whole network it is the last.
  const learns = base.manifest.exits.findIndex(({ stage }) => stage === how.stage);
  return ok({
    accuracy: accuracyAtExit.at(learns) ?? 0,
    ...Object.fromEntries(accuracyAtExit.map((share, i) => [`accuracyAtExit${i + 1}`, share])),
  });
}
