// A bundle as the device runs it: its edge stages loaded, each with the exit that leaves from it.

import {
  type Manifest,
  type Prediction,
  predict,
  type Runtime,
  type Session,
  type Tensor,
  type Variant,
} from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { collect, defined, err, failure, ok, type Result } from '@skerry/shared';

export interface StageOutcome {
  readonly exit: number;
  /** From the calibration; null: this exit is never to be trusted. */
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

/** Fails with `invalid_bundle` where the bundle has nothing that a device can run. */
export async function loadModel(
  { manifest, variant, stages }: Bundle,
  runtime: Runtime,
  options: { readonly threads: number },
): Promise<Result<Model>> {
  const plans = planStages(manifest, variant);
  if (!plans.ok) return plans;
  const loading = plans.value.map(({ name }) =>
    runtime.load(defined(stages.get(name), `bytes of stage ${name}`), options),
  );
  const sessions = collect(await Promise.all(loading));
  if (!sessions.ok) return sessions;
  return ok({
    manifest,
    variant: variant.digest,
    runStage: (place, input) =>
      runStage(
        defined(plans.value[place], `edge stage ${place}`),
        defined(sessions.value[place], `session ${place}`),
        input,
      ),
    async close() {
      await Promise.all(sessions.value.map((session) => session.close()));
    },
  });
}

/** What is to be known of a stage at each run, looked up once. */
interface StagePlan
  extends Pick<StageOutcome, 'exit' | 'threshold' | 'hasNextEdgeStage' | 'hasCloudStage'> {
  readonly name: string;
  readonly input: string;
  readonly logits: string;
  readonly temperature: number;
  readonly cut?: { readonly stage: string; readonly name: string };
}

function planStages(manifest: Manifest, variant: Variant): Result<StagePlan[]> {
  const { name, stages, exits } = manifest;
  const edge = stages.filter((stage) => stage.side === 'edge');
  if (edge.length === 0)
    return err(failure('invalid_bundle', `${name} has no stage for the device`));
  return collect(
    edge.map((stage, place): Result<StagePlan> => {
      const exit = exits.find((e) => e.stage === stage.name);
      if (exit === undefined)
        return err(failure('invalid_bundle', `no exit leaves from stage ${stage.name} of ${name}`));
      const calibration = variant.calibration.exits.find((c) => c.exit === exit.index);
      const next = stages[place + 1];
      return ok({
        name: stage.name,
        input: defined(stage.inputs[0], 'a stage’s input').name,
        exit: exit.index,
        logits: exit.logits,
        threshold: calibration?.threshold ?? null,
        temperature: calibration?.temperature ?? 1,
        ...(next && stage.cut !== undefined ? { cut: { stage: next.name, name: stage.cut } } : {}),
        hasNextEdgeStage: place < edge.length - 1,
        hasCloudStage: edge.length < stages.length,
      });
    }),
  );
}

async function runStage(
  plan: StagePlan,
  session: Session,
  input: Tensor,
): Promise<Result<StageOutcome>> {
  const ran = await session.run({ [plan.input]: input });
  if (!ran.ok) return ran;
  const logits = ran.value[plan.logits]?.data;
  const tensor = plan.cut && ran.value[plan.cut.name];
  if (!(logits instanceof Float32Array) || (plan.cut && !tensor))
    return err(failure('runtime_failed', `stage ${plan.name} gave no FP32 logits, or no cut`));
  const { exit, threshold, hasNextEdgeStage, hasCloudStage } = plan;
  return ok({
    exit,
    threshold,
    logits,
    prediction: predict(logits, plan.temperature),
    ...(plan.cut && tensor ? { cut: { ...plan.cut, tensor } } : {}),
    hasNextEdgeStage,
    hasCloudStage,
  });
}

/** Runs the bundle's golden inputs on this device's own hardware; fails where a logit leaves its tolerance. */
export async function selfTest({ manifest, runStage }: Model): Promise<Result<number>> {
  const spec = defined(manifest.inputs[0], 'the bundle’s input');
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
  for (const [i, { input, logits, tolerance }] of manifest.golden.entries()) {
    const outcome = await runStage(0, { datatype: 'UINT8', shape, data: Uint8Array.from(input) });
    if (!outcome.ok) return outcome;
    const { exit, logits: given } = outcome.value;
    const expected = logits[exit] ?? [];
    const drift =
      expected.length === given.length
        ? Math.max(...given.map((logit, c) => Math.abs(logit - (expected[c] ?? Number.NaN))))
        : Number.NaN;
    if (!(drift <= tolerance))
      return err(
        failure(
          'invalid_bundle',
          `${manifest.name}: golden input ${i} is ${drift} off at exit ${exit}, at most ${tolerance}`,
        ),
      );
  }
  return ok(manifest.golden.length);
}
