// One request, from its tensor to its answer: admit, run stage by stage, decide after each, escalate where unsure.
// An escalation is durable before anybody is told of it. Whatever happens, the caller hears of it by its deadline.

import type { Tensor } from '@skerry/models';
import {
  assert,
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
import { inTime } from './in-time.ts';
import type { Model, StageOutcome } from './model.ts';
import { createWaiters, type Waiters } from './waiters.ts';

export interface InferenceRequest {
  readonly model: string;
  readonly input: Tensor;
  readonly clientId?: string;
  readonly deadlineMs?: number;
  readonly policy?: Policy;
  /** Aborts when the app has gone; asked for only where somebody waits. */
  readonly signal?: () => AbortSignal;
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
  /** Makes it durable together with `effect`, and sets it going; at once where it fits a message. */
  append(body: Escalation, effect: () => void): Result<unknown> | Promise<Result<unknown>>;
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
  /**
   * Fails with `model_not_found`, `overloaded`, what the runtime fails with, or `deadline_exceeded` where the device
   * itself could not compute in time.
   */
  infer(request: InferenceRequest): Promise<Result<InferenceAnswer>>;
  /** Inside the transaction that applies an answer. */
  record(answer: Answer): void;
  /** After that transaction. Returns how many of the answers were late. */
  deliver(answers: readonly Answer[]): number;
  waiting(): number;
  /** Lets every caller that waits for the cloud have its local answer now; the better one comes late. */
  close(): void;
}

/** A request under way. Times are monotonic. */
interface Admitted {
  readonly request: InferenceRequest;
  readonly model: Model;
  readonly policy: Policy;
  readonly startedMs: number;
  readonly deadlineAtMs: number;
}

interface Asked extends Admitted {
  readonly requestId: string;
}

/** What has been computed, and what to do with it. */
interface Verdict {
  readonly outcome: StageOutcome;
  readonly decision: Decision;
}

/** How the answer differs from the last exit's. */
type Ending = Pick<InferenceAnswer, 'degraded' | 'reason' | 'pending'> &
  Partial<Pick<InferenceAnswer, 'source' | 'label' | 'confidence' | 'probabilities'>>;

export function createInference(ports: InferencePorts, defaults: InferenceDefaults): Inference {
  const { models, escalations, clock, random } = ports;
  const waiters = createWaiters(clock);
  /** Between a record and its delivery: answers that were news, and that nobody waited for. */
  const late = new Set<string>();
  return {
    async infer(request) {
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
      const running = inTime(clock, admitted.deadlineAtMs, () => runStages(ports, admitted));
      // Only now: what does not take part in the run is done while the worker runs.
      const asked: Asked = { ...admitted, requestId: createId(clock.nowMs(), random) };
      const ran = await running;
      if (!ran.ok) return ran;
      const { outcome } = ran.value;
      const ending = await end(ports, asked, ran.value, waiters, defaults.waitersMax);
      const answer: InferenceAnswer = {
        ...answerAt(outcome),
        ...ending,
        requestId: asked.requestId,
        model,
        latencyMs: clock.monotonicMs() - startedMs,
      };
      ports.onAnswer(answer);
      return ok(answer);
    },
    waiting: () => waiters.size(),
    close: waiters.releaseAll,
    record(answer) {
      const delivery = waiters.has(answer.requestId) ? 'in-time' : 'late';
      if (escalations.settle(answer, delivery) && delivery === 'late') late.add(answer.requestId);
    },
    deliver(answers) {
      for (const { requestId, outcome } of answers) waiters.resolve(requestId, outcome);
      const came = answers.filter(({ requestId }) => late.has(requestId)).length;
      late.clear();
      return came;
    },
  };
}

async function runStages(ports: InferencePorts, asked: Admitted): Promise<Result<Verdict>> {
  const { admission, clock, queue } = ports;
  const leftMs = (): number => asked.deadlineAtMs - clock.monotonicMs();
  const ticket = admission.enter(leftMs());
  if (!ticket.ok) return ticket;
  try {
    let { input } = asked.request;
    for (let place = 0; ; place++) {
      const ran = await asked.model.runStage(place, input);
      if (!ran.ok) return ran;
      const outcome = ran.value;
      const decision = decide({
        policy: asked.policy,
        confidence: outcome.prediction.confidence,
        threshold: outcome.threshold,
        hasNextEdgeStage: outcome.hasNextEdgeStage,
        hasCloudStage: outcome.hasCloudStage,
        deadlineLeftMs: leftMs(),
        link: queue.link(),
      });
      if (decision.kind !== 'next-stage') return ok({ outcome, decision });
      assert(outcome.cut !== undefined, 'a stage that another follows has a cut');
      input = outcome.cut.tensor;
    }
  } finally {
    ticket.value.leave();
  }
}

async function end(
  ports: InferencePorts,
  asked: Asked,
  { outcome, decision }: Verdict,
  waiters: Waiters,
  waitersMax: number,
): Promise<Ending> {
  const { clock, log, queue, escalations } = ports;
  const { requestId, request, deadlineAtMs } = asked;
  const local = (reason: string, pending: boolean): Ending => ({ degraded: true, reason, pending });
  const { reason } = decision;
  if (decision.kind === 'degraded' && !decision.escalate) return local(reason, false);
  if (decision.kind !== 'degraded' && decision.kind !== 'escalate')
    return { degraded: false, reason, pending: false };

  const body = await escalationOf(ports, asked, outcome);
  const { model, version } = body;
  const appended = await queue.append(body, () =>
    escalations.open({
      requestId,
      ...(request.clientId === undefined ? {} : { clientId: request.clientId }),
      model,
      version,
      appendedMs: clock.nowMs(),
      local: body.local,
    }),
  );
  if (!appended.ok) {
    const { code, message } = appended.error;
    log.warn({ requestId, code, reason: message }, 'not escalated');
    return local(`not escalated: ${code}`, false);
  }
  if (decision.kind === 'degraded') return local(reason, true);
  if (waiters.size() >= waitersMax) return local('too many requests wait', true);
  // The time that packing took is the app's too.
  const waitMs = Math.max(0, Math.min(decision.waitMs, deadlineAtMs - clock.monotonicMs()));
  const cloud = await waiters.wait(requestId, waitMs, request.signal?.());
  if (cloud === undefined) return local('deadline', true);
  if (cloud.kind === 'failed') return local(`cloud: ${cloud.code}`, false);
  return { ...answerOf(cloud), degraded: false, reason, pending: false };
}

async function escalationOf(
  { clock, pack }: InferencePorts,
  { requestId, model, deadlineAtMs }: Asked,
  { exit, prediction, cut }: StageOutcome,
): Promise<Escalation> {
  assert(cut !== undefined, 'a stage that the cloud follows has a cut');
  return {
    kind: 'escalation',
    requestId,
    model: model.manifest.name,
    version: model.manifest.version,
    variant: model.variant,
    stage: cut.stage,
    input: await pack(cut.name, cut.tensor),
    local: { exit, label: prediction.index, confidence: prediction.confidence },
    deadlineLeftMs: Math.max(0, deadlineAtMs - clock.monotonicMs()),
  };
}

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
