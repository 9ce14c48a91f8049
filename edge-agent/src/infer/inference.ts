// One request, from its tensor to its answer: admit, run stage by stage, decide after each, escalate where unsure.
// An escalation is durable before anybody is told of it, and every request is answered, within its deadline.

import type { Tensor } from '@skerry/models';
import {
  type Clock,
  createId,
  err,
  failure,
  type Log,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import type { Answer, Escalation } from '@skerry/sync-protocol';
import { type Decision, decide, type LinkEstimate, type Policy } from '../route/decide.ts';
import type { Admission } from './admission.ts';
import type { EscalationStore } from './escalation-store.ts';
import type { Model, StageOutcome } from './model.ts';
import { createWaiters } from './waiters.ts';

export interface InferenceRequest {
  readonly model: string;
  readonly input: Tensor;
  readonly clientId?: string;
  readonly deadlineMs?: number;
  readonly policy?: Policy;
}

export interface InferenceAnswer {
  readonly requestId: string;
  readonly model: Model;
  /** `exit:1`, … or `cloud`. */
  readonly source: string;
  readonly label: number;
  readonly confidence: number;
  readonly probabilities: Float32Array;
  /** Not covered by the calibration's guarantee; `reason` says why. */
  readonly degraded: boolean;
  readonly reason: string;
  /** A better answer may come later, on the answers stream. */
  readonly pending: boolean;
  readonly latencyMs: number;
}

/** What the feature needs of the outbox. */
export interface EscalationQueue {
  /** Makes it durable together with `effect`, and sets it going. */
  append(body: Escalation, effect: () => void): Result<number>;
  link(): LinkEstimate;
}

export interface InferencePorts {
  readonly models: ReadonlyMap<string, Model>;
  readonly admission: Admission;
  readonly escalations: EscalationStore;
  readonly queue: EscalationQueue;
  /** Packs the cut tensor for the wire. */
  readonly pack: (name: string, tensor: Tensor) => Promise<Escalation['input']>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onAnswer: (answer: InferenceAnswer) => void;
}

export interface InferenceDefaults {
  readonly policy: Policy;
  readonly deadlineMs: number;
  readonly waitersMax: number;
}

export interface Inference {
  infer(request: InferenceRequest): Promise<Result<InferenceAnswer>>;
  /** Inside the transaction that applies an answer. */
  record(answer: Answer): void;
  /** After that transaction. Returns how many of the answers were late. */
  deliver(answers: readonly Answer[]): number;
  waiting(): number;
}

/** What has been computed so far, and what to do with it. */
interface Verdict {
  readonly outcome: StageOutcome;
  readonly decision: Decision;
}

export function createInference(ports: InferencePorts, defaults: InferenceDefaults): Inference {
  const { models, admission, escalations, queue, pack, clock, random, log } = ports;
  const waiters = createWaiters(clock);

  const runStages = async (
    model: Model,
    request: InferenceRequest,
    deadlineAtMs: number,
  ): Promise<Result<Verdict>> => {
    const ticket = admission.enter();
    if (!ticket.ok) return ticket;
    try {
      let input = request.input;
      for (let place = 0; ; place++) {
        const ran = await model.runStage(place, input);
        if (!ran.ok) return ran;
        const outcome = ran.value;
        const decision = decide({
          policy: request.policy ?? defaults.policy,
          exit: outcome.exit,
          confidence: outcome.prediction.confidence,
          threshold: outcome.threshold,
          hasNextEdgeStage: outcome.hasNextEdgeStage,
          hasCloudStage: outcome.hasCloudStage,
          deadlineLeftMs: deadlineAtMs - clock.monotonicMs(),
          link: queue.link(),
        });
        if (decision.kind !== 'next-stage' || outcome.cut === undefined)
          return ok({ outcome, decision });
        input = outcome.cut.tensor;
      }
    } finally {
      ticket.value.leave();
    }
  };

  /** Appends the question and its record in one transaction. */
  const escalate = async (
    requestId: string,
    request: InferenceRequest,
    model: Model,
    { exit, prediction, cut }: StageOutcome,
    deadlineAtMs: number,
  ): Promise<Result<number>> => {
    if (cut === undefined)
      return err(failure('invalid_bundle', `${model.manifest.name} has no cut to send`));
    const local = { exit, label: prediction.index, confidence: prediction.confidence };
    const { name, version } = model.manifest;
    const input = await pack(cut.name, cut.tensor);
    const body: Escalation = {
      kind: 'escalation',
      requestId,
      model: name,
      version,
      variant: model.variant,
      stage: cut.stage,
      input,
      local,
      deadlineLeftMs: Math.max(0, deadlineAtMs - clock.monotonicMs()),
    };
    return queue.append(body, () =>
      escalations.open({
        requestId,
        ...(request.clientId === undefined ? {} : { clientId: request.clientId }),
        model: name,
        version,
        appendedMs: clock.nowMs(),
        local,
      }),
    );
  };

  const infer = async (request: InferenceRequest): Promise<Result<InferenceAnswer>> => {
    const startedMs = clock.monotonicMs();
    const deadlineAtMs = startedMs + (request.deadlineMs ?? defaults.deadlineMs);
    const model = models.get(request.model);
    if (model === undefined)
      return err(failure('model_not_found', `no model '${request.model}' on this device`));
    const ran = await runStages(model, request, deadlineAtMs);
    if (!ran.ok) return ran;
    const { outcome, decision } = ran.value;
    const requestId = createId(clock.nowMs(), random);
    const finish = (more: Ending): Result<InferenceAnswer> => {
      const answer = {
        ...answerAt(outcome),
        ...more,
        requestId,
        model,
        latencyMs: clock.monotonicMs() - startedMs,
      };
      ports.onAnswer(answer);
      return ok(answer);
    };
    const local = (reason: string, pending: boolean) => finish({ degraded: true, reason, pending });

    if (decision.kind === 'exit' || decision.kind === 'next-stage')
      return finish({ degraded: false, reason: decision.reason, pending: false });
    if (decision.kind === 'degraded' && !decision.escalate) return local(decision.reason, false);
    const appended = await escalate(requestId, request, model, outcome, deadlineAtMs);
    if (!appended.ok) {
      log.warn({ requestId, code: appended.error.code }, 'not escalated');
      return local(`not escalated: ${appended.error.code}`, false);
    }
    if (decision.kind === 'degraded') return local(decision.reason, true);
    if (waiters.size() >= defaults.waitersMax) return local('too many requests wait', true);
    // The time that packing took is the app's too.
    const waitMs = Math.min(decision.waitMs, deadlineAtMs - clock.monotonicMs());
    const cloud = await waiters.wait(requestId, Math.max(0, waitMs));
    if (cloud === undefined) return local('deadline', true);
    if (cloud.kind === 'failed') return local(`cloud: ${cloud.code}`, false);
    return finish({ ...answerOf(cloud), degraded: false, reason: decision.reason, pending: false });
  };

  return {
    infer,
    waiting: () => waiters.size(),
    record(answer) {
      escalations.settle(answer, waiters.has(answer.requestId) ? 'in-time' : 'late');
    },
    deliver(answers) {
      const late = answers.filter(({ requestId }) => !waiters.has(requestId));
      for (const { requestId, outcome } of answers) waiters.resolve(requestId, outcome);
      return late.length;
    },
  };
}

type Ending = Pick<InferenceAnswer, 'degraded' | 'reason' | 'pending'> &
  Partial<Pick<InferenceAnswer, 'source' | 'label' | 'confidence' | 'probabilities'>>;

const answerAt = ({ exit, prediction }: StageOutcome) => ({
  source: `exit:${exit}`,
  label: prediction.index,
  confidence: prediction.confidence,
  probabilities: Float32Array.from(prediction.probabilities),
});

const answerOf = (cloud: Extract<Answer['outcome'], { kind: 'answered' }>) => ({
  source: 'cloud',
  label: cloud.label,
  confidence: cloud.confidence,
  probabilities: Float32Array.from(cloud.probabilities),
});
