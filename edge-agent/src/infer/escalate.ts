// Questions passed on. An escalation is durable before anybody is told of it; its answer resolves the request that still
// waits, or goes to the answers stream. An audit is an escalation that nobody waits for: its answer only counts.

import type { Tensor } from '@skerry/models';
import { assert, type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { Answer, Escalation } from '@skerry/sync-protocol';
import { embed, type LookAlikes, type Recall } from '../route/look-alikes.ts';
import type { Router } from '../route/router.ts';
import type { EscalationStore } from './escalation-store.ts';
import type { Model, StageOutcome } from './model.ts';
import type { Asked, Ending } from './request.ts';
import { createWaiters, type Waiters } from './waiters.ts';

/** What the feature needs of the outbox. */
export interface EscalationQueue {
  /** Makes it durable together with `effect`, and sets it going; at once where it fits a message. */
  append(body: Escalation, effect: () => void): Result<unknown> | Promise<Result<unknown>>;
}

export interface EscalatorPorts {
  readonly escalations: EscalationStore;
  readonly queue: EscalationQueue;
  readonly router: Omit<Router, 'decide' | 'breaker'>;
  readonly lookAlikes: LookAlikes;
  /** Packs the cut tensor for the wire. */
  readonly pack: (name: string, tensor: Tensor) => Promise<Escalation['input']>;
  readonly clock: Clock;
  readonly log: Log;
  /** The cloud's verdict on an audited answer. */
  readonly onAudit: (agrees: boolean, model: Model) => void;
  /** The cloud's answer to a question of this version, late or not: would the device have said so? */
  readonly onCloud?: (model: string, version: string, agrees: boolean) => void;
}

export interface Escalator {
  /** Asks, waits up to `waitMs` where it is given and the cloud may be waited for, and never fails: see `reason`. */
  ask(asked: Asked, outcome: StageOutcome, reason: string, waitMs?: number): Promise<Ending>;
  /** What is known already of a look-alike, where the cloud is not to be asked. */
  recall(asked: Asked, outcome: StageOutcome): Ending | undefined;
  /** The app has its answer. */
  audit(asked: Asked, outcome: StageOutcome): Promise<void>;
  /** Inside the transaction that applies an answer. */
  record(answer: Answer): void;
  /** After that transaction. Returns how many of the answers were late. */
  deliver(answers: readonly Answer[]): number;
  waiting(): number;
  /** Lets every caller that waits for the cloud have its local answer now; the better one comes late. */
  close(): void;
  /** Resolves once every audit under way is written down, or is none: what closes the store waits for it. */
  settled(): Promise<void>;
}

/** What an app has been told, and now is checked. */
interface Audited {
  readonly label: number;
  readonly confidence: number;
  readonly exit: number;
  readonly model: Model;
  /** It was what the cloud once said of this look-alike. */
  readonly learnedFrom?: string;
}

/** What a question looks like, to the variant that has seen it. */
interface Sight {
  readonly variant: string;
  readonly embedding: Float32Array;
}

/** Audits under way that are remembered; a restart forgets them, and the coordinator counts them all the same. */
const auditsMax = 1_024;
/** Audits that run the stages which an early exit saved, at once: they share the worker with the apps' requests. */
const auditRunsMax = 4;

export function createEscalator(ports: EscalatorPorts, waitersMax: number): Escalator {
  const { escalations, router, lookAlikes, clock, log } = ports;
  const waiters = createWaiters(clock);
  /** Between a record and its delivery: answers that were news, and that nobody waited for. */
  const late = new Set<string>();
  const audits = new Map<string, Audited>();
  let auditRuns = 0;
  const auditsUnderWay = new Set<Promise<void>>();

  const checkAudit = ({ requestId, outcome }: Answer): void => {
    const audited = audits.get(requestId);
    if (audited === undefined) return;
    audits.delete(requestId);
    if (outcome.kind !== 'answered') return;
    const agrees = outcome.label === audited.label;
    ports.onAudit(agrees, audited.model);
    if (!agrees && audited.learnedFrom !== undefined) lookAlikes.contradict(audited.learnedFrom);
  };

  const compare = ({ requestId, outcome }: Answer): void => {
    if (outcome.kind !== 'answered' || ports.onCloud === undefined) return;
    const record = escalations.get(requestId);
    if (record !== undefined)
      ports.onCloud(record.model, record.version, outcome.label === record.local.label);
  };

  const makeAudit = async (asked: Asked, outcome: StageOutcome, told: Audited): Promise<void> => {
    const { requestId } = asked;
    if (outcome.hasNextEdgeStage && auditRuns >= auditRunsMax) {
      log.debug({ requestId, auditRuns }, 'not audited: as many as may run do');
      return;
    }
    auditRuns += 1;
    const last = await toTheCut(asked, outcome).finally(() => {
      auditRuns -= 1;
    });
    if (!last.ok) return;
    const [oldest] = audits.keys();
    if (audits.size >= auditsMax && oldest !== undefined) audits.delete(oldest);
    audits.set(requestId, told);
    const appended = await append(ports, asked, last.value, { audited: told });
    if (appended.ok) return;
    audits.delete(requestId);
    log.warn({ requestId, code: appended.error.code }, `not audited: ${appended.error.message}`);
  };

  const audit = async (...made: Parameters<typeof makeAudit>): Promise<void> => {
    const underWay = makeAudit(...made);
    auditsUnderWay.add(underWay);
    await underWay.finally(() => auditsUnderWay.delete(underWay));
  };

  const sightOf = ({ model, policy }: Asked, outcome: StageOutcome): Sight | undefined => {
    const { cut, hasNextEdgeStage } = outcome;
    if (!lookAlikes.enabled || cut === undefined || hasNextEdgeStage) return undefined;
    return policy === 'cloud-only'
      ? undefined
      : { variant: model.variant, embedding: embed(cut.tensor) };
  };

  /** What was learned from a look-alike, or that one was asked a moment ago. */
  const recall = (sight: Sight | undefined): Recall | undefined =>
    sight && lookAlikes.recall(sight.variant, sight.embedding, clock.nowMs());

  return {
    async ask(asked, outcome, reason, waitMs) {
      const { requestId } = asked;
      const sight = sightOf(asked, outcome);
      const recalled = recall(sight);
      if (recalled?.kind === 'learned' && router.auditsCache()) {
        const { answer, requestId: learnedFrom } = recalled.learned;
        const { label, confidence } = answer;
        const { exit } = outcome;
        void audit(asked, outcome, { label, confidence, exit, model: asked.model, learnedFrom });
      }
      if (recalled !== undefined) return endingOf(recalled);
      const local = (why: string, pending: boolean): Ending => {
        return { degraded: true, reason: why, pending };
      };
      const appended = await append(ports, asked, outcome, { waitMs });
      if (!appended.ok) {
        const { code, message } = appended.error;
        log.warn({ requestId, code, reason: message }, 'not escalated');
        return local(`not escalated: ${code}`, false);
      }
      if (sight !== undefined)
        lookAlikes.asked(requestId, sight.variant, sight.embedding, clock.nowMs());
      if (waitMs === undefined) return local(reason, true);
      if (waiters.size() >= waitersMax) return local('too many requests wait', true);
      if (!router.mayWait()) return local('the cloud keeps missing deadlines', true);
      const cloud = await waitFor(ports, asked, waiters, waitMs);
      if (cloud === undefined) return local('deadline', true);
      if (cloud.kind === 'failed') return local(`cloud: ${cloud.code}`, false);
      return { ...answerOf(cloud), degraded: false, reason, pending: false };
    },

    recall(asked, outcome) {
      const recalled = recall(sightOf(asked, outcome));
      return recalled?.kind === 'learned' ? endingOf(recalled) : undefined;
    },

    audit: (asked, exit) => {
      const { index: label, confidence } = exit.prediction;
      return audit(asked, exit, { label, confidence, exit: exit.exit, model: asked.model });
    },

    waiting: waiters.size,
    close: waiters.releaseAll,
    settled: async () => void (await Promise.allSettled(auditsUnderWay)),
    record(answer) {
      lookAlikes.answered(answer.requestId, answer.outcome, clock.nowMs());
      const delivery = waiters.has(answer.requestId) ? 'in-time' : 'late';
      if (escalations.settle(answer, delivery) && delivery === 'late') late.add(answer.requestId);
    },
    deliver(answers) {
      for (const answer of answers) {
        router.answered(answer.requestId);
        waiters.resolve(answer.requestId, answer.outcome);
        checkAudit(answer);
        compare(answer);
      }
      const came = answers.filter(({ requestId }) => late.has(requestId)).length;
      late.clear();
      return came;
    },
  };
}

/** Makes the question durable: what the cloud takes, what the device would say, and, but for an audit, a record of it. */
async function append(
  { queue, escalations, router, pack, clock }: EscalatorPorts,
  asked: Asked,
  { cut, ...last }: StageOutcome,
  { audited, waitMs = 0 }: { audited?: Audited; waitMs?: number | undefined },
): Promise<Result<unknown>> {
  assert(cut !== undefined, 'a stage that the cloud follows has a cut');
  const { requestId, model, request, deadlineAtMs } = asked;
  const { exit, prediction } = last;
  const local = audited && {
    exit: audited.exit,
    label: audited.label,
    confidence: audited.confidence,
  };
  const body: Escalation = {
    kind: 'escalation',
    requestId,
    model: model.manifest.name,
    version: model.manifest.version,
    variant: model.variant,
    stage: cut.stage,
    input: await pack(cut.name, cut.tensor),
    local: local ?? { exit, label: prediction.index, confidence: prediction.confidence },
    // The cloud serves first whom somebody waits for.
    deadlineLeftMs: Math.max(0, Math.min(waitMs, deadlineAtMs - clock.monotonicMs())),
    ...(audited ? { audit: audited.learnedFrom === undefined ? 'exit' : 'cache' } : {}),
  };
  return queue.append(body, () => {
    router.spent(requestId, cut.tensor.data.byteLength, body.input.data.byteLength);
    if (audited) return;
    escalations.open({
      requestId,
      ...(request.clientId === undefined ? {} : { clientId: request.clientId }),
      model: body.model,
      version: body.version,
      appendedMs: clock.nowMs(),
      local: body.local,
    });
  });
}

/** An audit of an early exit runs the stages that it saved, for the cut that the cloud takes is the last one. */
async function toTheCut({ model }: Asked, exit: StageOutcome): Promise<Result<StageOutcome>> {
  let outcome = exit;
  for (let place = exit.exit; outcome.hasNextEdgeStage; place++) {
    assert(outcome.cut !== undefined, 'a stage that another follows has a cut');
    const ran = await model.runStage(place, outcome.cut.tensor);
    if (!ran.ok) return ran;
    outcome = ran.value;
  }
  return ok(outcome);
}

async function waitFor(
  { router, clock }: EscalatorPorts,
  { requestId, request, deadlineAtMs }: Asked,
  waiters: Waiters,
  waitMs: number,
): Promise<Answer['outcome'] | undefined> {
  const signal = request.signal?.();
  // The time that packing took is the app's too.
  const leftMs = Math.max(0, Math.min(waitMs, deadlineAtMs - clock.monotonicMs()));
  const outcome = await waiters.wait(requestId, leftMs, signal);
  // That an app has gone says nothing of the cloud.
  if (outcome !== undefined || !signal?.aborted) router.waited(outcome !== undefined);
  return outcome;
}

function endingOf(recall: Recall): Ending {
  if (recall.kind === 'asked')
    return {
      degraded: true,
      reason: `look-alike of ${recall.requestId}, just asked`,
      pending: false,
    };
  const { learned, similarity } = recall;
  const reason = `look-alike of ${learned.requestId}, correlation ${similarity.toFixed(3)}`;
  // No calibration speaks of it: the audits do.
  return { ...answerOf(learned.answer), source: 'cache', degraded: true, reason, pending: false };
}

const answerOf = (cloud: Extract<Answer['outcome'], { kind: 'answered' }>) => ({
  source: 'cloud',
  label: cloud.label,
  confidence: cloud.confidence,
  probabilities: Float32Array.from(cloud.probabilities),
});
