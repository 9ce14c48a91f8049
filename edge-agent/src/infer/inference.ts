// One request, from its tensor to its answer: admit, run stage by stage, decide after each; escalate.ts asks the cloud
// where the device is unsure. Whatever happens, the caller hears of it by its deadline.

import type { Tensor, TensorMap } from '@skerry/models';
import {
  assert,
  type Clock,
  createId,
  err,
  type Failure,
  failure,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import type { Decision, Policy } from '../route/decide.ts';
import type { Router } from '../route/router.ts';
import type { Admission } from './admission.ts';
import type { Escalator } from './escalate.ts';
import { deadlineExceeded, inTime } from './in-time.ts';
import type { Model, StageOutcome } from './model.ts';
import type {
  Admitted,
  Asked,
  Ending,
  InferenceAnswer,
  InferenceRequest,
  Question,
} from './request.ts';

type MaybePromise<T> = T | Promise<T>;
type RunStage = Model['runStage'];
type First = (model: Model, run: RunStage) => MaybePromise<Result<StageOutcome>>;

export interface InferencePorts {
  readonly models: ReadonlyMap<string, Model>;
  readonly admission: Admission;
  readonly router: Pick<Router, 'decide'>;
  readonly escalator: Escalator;
  readonly clock: Clock;
  readonly random: Random;
  readonly onAnswer: (answer: InferenceAnswer) => void;
  /** The model itself gave no answer. */
  readonly onFailed?: (model: Model, failure: Failure, deadlineMs: number) => void;
  /** A request is about to run: whoever wants to run it too is called with what came of it. */
  readonly offer?: (model: Model, input: Tensor) => ((outcome: StageOutcome) => void) | undefined;
  /** The same, with the answer that the app gets: whoever may learn from it. */
  readonly keep?: (model: Model, input: Tensor) => ((answer: InferenceAnswer) => void) | undefined;
}

export interface InferenceDefaults {
  readonly policy: Policy;
  readonly deadlineMs: number;
}

export interface Inference {
  /**
   * Fails with `model_not_found`, `overloaded`, what the runtime fails with, or `deadline_exceeded` where the device
   * itself could not compute in time.
   */
  infer(request: InferenceRequest): Promise<Result<InferenceAnswer>>;
  /**
   * As `infer`, from what the edge stage at `place` gave to somebody who ran it elsewhere: a browser. Fails with
   * `invalid_tensor` where that stage gives something else.
   */
  inferFrom(
    question: Question,
    place: number,
    results: TensorMap,
  ): Promise<Result<InferenceAnswer>>;
}

/** What has been computed, and what to do with it. */
interface Verdict {
  readonly outcome: StageOutcome;
  readonly decision: Decision;
  readonly computeMs: number;
}

export function createInference(ports: InferencePorts, defaults: InferenceDefaults): Inference {
  const { models, clock, random } = ports;
  const answer = async (
    request: Question,
    place: number,
    first: First,
    onOutcome: (outcome: StageOutcome) => void = () => {},
    onAnswer: (answer: InferenceAnswer) => void = () => {},
  ): Promise<Result<InferenceAnswer>> => {
    const startedMs = clock.monotonicMs();
    const model = models.get(request.model);
    if (model === undefined)
      return err(failure('model_not_found', `no model '${request.model}' on this device`));
    const admitted: Admitted = {
      request,
      model,
      policy: request.policy ?? defaults.policy,
      startedMs,
      deadlineAtMs: startedMs + (request.deadlineMs ?? defaults.deadlineMs),
    };
    const running = inTime(clock, admitted.deadlineAtMs, () =>
      runStages(ports, admitted, place, (run) => first(model, run)),
    );
    // Only now: what does not take part in the run is done while the worker runs.
    const asked: Asked = { requestId: createId(clock.nowMs(), random), ...admitted };
    const ran = await running;
    if (!ran.ok) {
      ports.onFailed?.(model, ran.error, request.deadlineMs ?? defaults.deadlineMs);
      return ran;
    }
    const { outcome, computeMs } = ran.value;
    onOutcome(outcome);
    const ending = await end(ports, asked, ran.value);
    const answered: InferenceAnswer = {
      requestId: asked.requestId,
      model,
      latencyMs: clock.monotonicMs() - startedMs,
      computeMs,
      // What is spread stands last (docs/decisions/0054).
      ...answerAt(outcome),
      ...ending,
    };
    ports.onAnswer(answered);
    onAnswer(answered);
    return ok(answered);
  };
  return {
    infer(request) {
      let tell: ((outcome: StageOutcome) => void) | undefined;
      let keep: ((answer: InferenceAnswer) => void) | undefined;
      const first: First = (model, run) => {
        tell = ports.offer?.(model, request.input);
        keep = ports.keep?.(model, request.input);
        return run(0, request.input);
      };
      return answer(
        request,
        0,
        first,
        (outcome) => tell?.(outcome),
        (answered) => keep?.(answered),
      );
    },
    inferFrom: (question, place, results) =>
      answer(question, place, (model) => model.readStage(place, results)),
  };
}

async function runStages(
  ports: InferencePorts,
  asked: Admitted,
  place: number,
  first: (run: RunStage) => MaybePromise<Result<StageOutcome>>,
): Promise<Result<Verdict>> {
  const { admission, clock, router } = ports;
  const leftMs = (): number => asked.deadlineAtMs - clock.monotonicMs();
  const ticket = admission.enter(leftMs());
  if (!ticket.ok) return ticket;
  let served = false;
  let computeMs = 0;
  const run: RunStage = async (at, input) => {
    const startedMs = clock.monotonicMs();
    const ran = await asked.model.runStage(at, input);
    computeMs += clock.monotonicMs() - startedMs;
    served ||= ran.ok;
    return ran;
  };
  try {
    let ran = await first(run);
    for (let next = place + 1; ; next++) {
      if (!ran.ok) return ran;
      const outcome = ran.value;
      const decision = router.decide({
        policy: asked.policy,
        confidence: outcome.prediction.confidence,
        threshold: outcome.threshold,
        hasNextEdgeStage: outcome.hasNextEdgeStage,
        hasCloudStage: outcome.hasCloudStage,
        deadlineLeftMs: leftMs(),
        cutBytes: outcome.cut?.tensor.data.byteLength ?? 0,
      });
      if (decision.kind !== 'next-stage') return ok({ outcome, decision, computeMs });
      assert(outcome.cut !== undefined, 'a stage that another follows has a cut');
      // The caller has been told already: a further stage would only delay whoever waits for the model.
      if (leftMs() <= 0) return deadlineExceeded;
      ran = await run(next, outcome.cut.tensor);
    }
  } finally {
    ticket.value.leave(served);
  }
}

async function end(
  { escalator }: InferencePorts,
  asked: Asked,
  { outcome, decision }: Verdict,
): Promise<Ending> {
  const { reason } = decision;
  switch (decision.kind) {
    case 'escalate':
      return escalator.ask(asked, outcome, reason, decision.waitMs);
    case 'degraded':
      if (decision.escalate) return escalator.ask(asked, outcome, reason);
      return escalator.recall(asked, outcome) ?? { degraded: true, reason, pending: false };
    default:
      // Not awaited: the app does not wait for what it does not ask.
      if (decision.kind === 'exit' && decision.audit) void escalator.audit(asked, outcome);
      return { degraded: false, reason, pending: false };
  }
}

const answerAt = ({ exit, prediction }: StageOutcome) => ({
  source: `exit:${exit}`,
  label: prediction.index,
  confidence: prediction.confidence,
  probabilities: new Float32Array(prediction.probabilities),
});
