// A bundle as the device runs it: its edge stages loaded, each with the exit that leaves from it.

import {
  type Manifest,
  type Prediction,
  predict,
  type Runtime,
  type Session,
  type Stage,
  type Tensor,
  type TensorMap,
} from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { defined, err, failure, ok, type Result } from '@skerry/shared';

export interface StageOutcome {
  readonly exit: number;
  readonly threshold: number | null;
  readonly logits: Float32Array;
  readonly prediction: Prediction;
  /** The tensor that the next stage takes; undefined after the last. */
  readonly cut?: { readonly stage: string; readonly name: string; readonly tensor: Tensor };
  readonly hasNextEdgeStage: boolean;
  readonly hasCloudStage: boolean;
}

export interface Model {
  readonly manifest: Manifest;
  readonly variant: string;
  /** Runs the edge stage at `place` (0 is the first) on the input or the cut before it. */
  runStage(place: number, input: Tensor): Promise<Result<StageOutcome>>;
  close(): Promise<void>;
}

export async function loadModel(
  bundle: Bundle,
  runtime: Runtime,
  options: { threads: number },
): Promise<Result<Model>> {
  const { manifest, variant } = bundle;
  const edge = manifest.stages.filter((stage) => stage.side === 'edge');
  if (edge.length === 0)
    return err(failure('invalid_bundle', `${manifest.name} has no stage for the device`));
  const sessions: Session[] = [];
  for (const stage of edge) {
    const bytes = defined(bundle.stages.get(stage.name), `bytes of stage ${stage.name}`);
    const session = await runtime.load(bytes, options);
    if (!session.ok) return session;
    sessions.push(session.value);
  }
  return ok({
    manifest,
    variant: variant.digest,
    async runStage(place, input) {
      const stage = defined(edge[place], `edge stage ${place}`);
      const session = defined(sessions[place], `session ${place}`);
      const ran = await session.run({ [defined(stage.inputs[0], 'stage input').name]: input });
      return ran.ok ? outcomeOf(bundle, stage, place < edge.length - 1, ran.value) : ran;
    },
    async close() {
      await Promise.all(sessions.map((session) => session.close()));
    },
  });
}

function outcomeOf(
  { manifest, variant }: Bundle,
  stage: Stage,
  hasNextEdgeStage: boolean,
  results: TensorMap,
): Result<StageOutcome> {
  const exit = manifest.exits.find((e) => e.stage === stage.name);
  const logits = exit && results[exit.logits];
  if (!exit || !logits)
    return err(failure('invalid_bundle', `stage ${stage.name} computes no exit's logits`));
  const calibration = variant.calibration.exits.find((c) => c.exit === exit.index);
  const next = manifest.stages[manifest.stages.indexOf(stage) + 1];
  const cut = stage.cut === undefined ? undefined : results[stage.cut];
  return ok({
    exit: exit.index,
    threshold: calibration?.threshold ?? null,
    logits: logits.data as Float32Array,
    prediction: predict(logits.data as Float32Array, calibration?.temperature),
    ...(next && cut && stage.cut !== undefined
      ? { cut: { stage: next.name, name: stage.cut, tensor: cut } }
      : {}),
    hasNextEdgeStage,
    hasCloudStage: manifest.stages.some((s) => s.side === 'cloud'),
  });
}

/** Runs the bundle's golden inputs on this device's own hardware; fails where a logit leaves its tolerance. */
export async function selfTest({ manifest, runStage }: Model): Promise<Result<number>> {
  const spec = defined(manifest.inputs[0], 'the bundle’s input');
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
  for (const [i, { input, logits, tolerance }] of manifest.golden.entries()) {
    const outcome = await runStage(0, { datatype: 'UINT8', shape, data: Uint8Array.from(input) });
    if (!outcome.ok) return outcome;
    const expected = logits[outcome.value.exit] ?? [];
    const drift = Math.max(
      ...expected.map((l, c) => Math.abs(l - (outcome.value.logits[c] ?? NaN))),
    );
    if (!(drift <= tolerance))
      return err(
        failure(
          'invalid_bundle',
          `${manifest.name}: golden input ${i} is ${drift} off at exit ${outcome.value.exit}, at most ${tolerance}`,
        ),
      );
  }
  return ok(manifest.golden.length);
}
