// A bundle as the device runs it: its edge stages loaded, each with the exit that leaves from it.

import {
  checkTensor,
  type Execution,
  type ExitRule,
  isOutOfDomain,
  type Manifest,
  neverTrusted,
  type OpenStages,
  openReloadable,
  openStages,
  type Prediction,
  predict,
  type Runtime,
  type Session,
  type Stage,
  type StageOptions,
  type Tensor,
  type TensorMap,
  type TensorSpec,
  tensorOf,
  thresholdOf,
  type Variant,
} from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { collect, defined, err, failure, ok, type Result } from '@skerry/shared';

export interface StageOutcome {
  readonly exit: number;
  /** From the calibration, for this very answer; null: it is not to be trusted here, as `outOfDomain` may say. */
  readonly threshold: number | null;
  /** The input is not of the kind that calibrated this exit. */
  readonly outOfDomain: boolean;
  readonly logits: Float32Array;
  readonly prediction: Prediction;
  /** The tensor that the next stage takes, of a cascade the input itself; undefined after the last. */
  readonly cut?: { readonly stage: string; readonly name: string; readonly tensor: Tensor };
  readonly hasNextEdgeStage: boolean;
  readonly hasCloudStage: boolean;
}

export interface Model {
  readonly manifest: Manifest;
  /** The bundle's digest. */
  readonly bundle: string;
  readonly variant: string;
  /** What the golden inputs give with this variant. */
  readonly golden: Manifest['golden'];
  /** False while it is unloaded, and while the worker of a stage is dead; the next request starts another. */
  ready(): boolean;
  /** What each edge stage runs on; none while it is unloaded. */
  executions(): readonly Execution[];
  /** Runs the edge stage at `place` (0 is the first) on the input or the cut before it. */
  runStage(place: number, input: Tensor): Promise<Result<StageOutcome>>;
  /** What `runStage` would tell, had it run here: `results` are what the stage gave elsewhere, to one example. */
  readStage(place: number, results: TensorMap): Result<StageOutcome>;
  /** Loads it again, from the same bytes. */
  load(): Promise<Result<void>>;
  /** Until it is loaded again, a run fails with `unavailable`. */
  unload(): Promise<void>;
}

/**
 * All its stages in one runtime. Fails with `invalid_bundle` where the bundle has nothing that a device can run, or
 * its graphs are not what its manifest says, and with `too_large` where a stage takes more than the memory for models.
 */
export async function loadModel(
  { digest, manifest, variant, stages }: Bundle,
  createRuntime: () => Runtime,
  options: StageOptions,
): Promise<Result<Model>> {
  const plans = planStages(manifest, variant);
  if (!plans.ok) return plans;
  const edge = manifest.stages.filter(({ side }) => side === 'edge');
  const opened = await openReloadable(async (): Promise<Result<OpenStages>> => {
    const opened = await openStages(edge, stages, createRuntime, options);
    if (!opened.ok) return opened;
    for (const [place, plan] of plans.value.entries()) {
      const fits = checkSession(plan, defined(opened.value.sessions[place], 'its session'));
      if (fits.ok) continue;
      await opened.value.close();
      return fits;
    }
    return opened;
  });
  if (!opened.ok)
    return err({ ...opened.error, message: `${manifest.name}: ${opened.error.message}` });
  const { current, load, unload } = opened.value;
  return ok({
    manifest,
    bundle: digest,
    variant: variant.digest,
    golden: manifest.golden.map((known, i) => ({ ...known, ...variant.golden?.[i] })),
    ready: () => current()?.sessions.every((session) => session.alive()) ?? false,
    executions: () => current()?.sessions.map((session) => session.execution()) ?? [],
    async runStage(place, input) {
      const loaded = current();
      if (loaded === undefined)
        return err(failure('unavailable', `Model with name ${manifest.name} is not ready.`));
      return runStage(
        defined(plans.value[place], `edge stage ${place}`),
        defined(loaded.sessions[place], `session ${place}`),
        input,
      );
    },
    readStage(place, results) {
      const plan = defined(plans.value[place], `edge stage ${place}`);
      const { inputs, outputs } = defined(edge[place], `edge stage ${place}`);
      const given = plan.cut?.isInput ? [...inputs, ...outputs] : outputs;
      const taken = given.filter(({ name }) => name === plan.logits || name === plan.cut?.name);
      const checked = checkResults(taken, results);
      return checked.ok ? outcomeOf(plan, results) : checked;
    },
    load,
    unload,
  });
}

/** Results that came from somebody else, against the manifest; one example of them. */
function checkResults(specs: readonly TensorSpec[], results: TensorMap): Result<void> {
  for (const spec of specs) {
    const tensor = results[spec.name];
    if (tensor === undefined)
      return err(failure('invalid_tensor', `output '${spec.name}' is missing`));
    const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
    const checked = checkTensor({ ...spec, shape }, tensor);
    if (!checked.ok) return checked;
  }
  return ok(undefined);
}

/** What is to be known of a stage at each run, looked up once. */
interface StagePlan extends Pick<StageOutcome, 'exit' | 'hasNextEdgeStage' | 'hasCloudStage'> {
  readonly name: string;
  readonly input: string;
  readonly logits: string;
  readonly rule: ExitRule;
  readonly cut?: { readonly stage: string; readonly name: string; readonly isInput: boolean };
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
      const next = stages[place + 1];
      return ok({
        name: stage.name,
        input: defined(stage.inputs[0], 'a stage’s input').name,
        exit: exit.index,
        logits: exit.logits,
        rule: variant.calibration.exits.find((c) => c.exit === exit.index) ?? neverTrusted,
        ...(next ? { cut: cutBefore(next, stage) } : {}),
        hasNextEdgeStage: place < edge.length - 1,
        hasCloudStage: edge.length < stages.length,
      });
    }),
  );
}

function cutBefore(next: Stage, { cut }: Stage): NonNullable<StagePlan['cut']> {
  const { name } = defined(next.inputs[0], 'a stage’s input');
  return { stage: next.name, name: cut ?? name, isInput: cut === undefined };
}

/** The graph's own inputs and outputs against the plan. */
function checkSession({ name, input, logits, cut }: StagePlan, session: Session): Result<void> {
  const has = (specs: readonly TensorSpec[], wanted: string) =>
    specs.some((s) => s.name === wanted);
  const fits =
    has(session.inputs, input) &&
    has(session.outputs, logits) &&
    (cut === undefined || cut.isInput || has(session.outputs, cut.name));
  if (fits) return ok(undefined);
  return err(failure('invalid_bundle', `the graph of stage ${name} is not what the manifest says`));
}

async function runStage(
  plan: StagePlan,
  session: Session,
  input: Tensor,
): Promise<Result<StageOutcome>> {
  // A run may move the buffers that it is given.
  const kept = plan.cut?.isInput && { [plan.cut.name]: { ...input, data: input.data.slice() } };
  const ran = await session.run({ [plan.input]: input });
  if (!ran.ok) return ran;
  return outcomeOf(plan, kept ? { ...ran.value, ...kept } : ran.value);
}

function outcomeOf(plan: StagePlan, results: TensorMap): Result<StageOutcome> {
  const logits = results[plan.logits]?.data;
  const tensor = plan.cut && results[plan.cut.name];
  if (!(logits instanceof Float32Array) || (plan.cut && !tensor))
    return err(failure('runtime_failed', `stage ${plan.name} gave no FP32 logits, or no cut`));
  const { exit, rule, hasNextEdgeStage, hasCloudStage } = plan;
  const prediction = predict(logits, rule.temperature);
  const outOfDomain = isOutOfDomain(rule, { logits, prediction, cut: tensor });
  return ok({
    exit,
    threshold: outOfDomain ? null : thresholdOf(rule, prediction),
    outOfDomain,
    logits,
    prediction,
    ...(plan.cut && tensor ? { cut: { stage: plan.cut.stage, name: plan.cut.name, tensor } } : {}),
    hasNextEdgeStage,
    hasCloudStage,
  });
}

/**
 * Runs the bundle's golden inputs through every stage, on this device's own hardware; fails where a logit leaves its
 * tolerance.
 */
export async function selfTest({ manifest, golden, runStage }: Model): Promise<Result<number>> {
  const { datatype, shape } = defined(manifest.inputs[0], 'the bundle’s input');
  const one = shape.map((size) => (size === -1 ? 1 : size));
  for (const [i, { input, logits, tolerance }] of golden.entries()) {
    const tensor = tensorOf(datatype, one, input);
    if (!tensor.ok) return tensor;
    let next: Tensor | undefined = tensor.value;
    for (let place = 0; next !== undefined; place++) {
      const outcome: Result<StageOutcome> = await runStage(place, next);
      if (!outcome.ok) return outcome;
      const { exit, logits: given, cut, hasNextEdgeStage } = outcome.value;
      const drift = largestDifference(logits[exit] ?? [], given);
      if (!(drift <= tolerance))
        return err(
          failure(
            'invalid_bundle',
            `${manifest.name}: golden input ${i} is ${drift} off at exit ${exit}, at most ${tolerance}`,
          ),
        );
      next = hasNextEdgeStage ? cut?.tensor : undefined;
    }
  }
  return ok(golden.length);
}

/** NaN where there are not as many. */
function largestDifference(expected: readonly number[], given: Float32Array): number {
  if (expected.length !== given.length) return Number.NaN;
  return Math.max(...given.map((logit, c) => Math.abs(logit - (expected[c] ?? Number.NaN))));
}
