// All that a decision weighs, kept between requests: how fast the cloud answers, whether it may be waited for, what is
// left of the budgets, how the device fares, and chance. decide.ts judges; this remembers.

import type { Clock, Random } from '@skerry/shared';
import { createBreaker } from '@skerry/shared/resilience';
import type { Budgets } from './budgets.ts';
import { createCloudEstimator } from './cloud-estimate.ts';
import { type DecideInput, type Decision, decide, type LinkEstimate } from './decide.ts';

export type Exit = Pick<
  DecideInput,
  'policy' | 'confidence' | 'threshold' | 'hasNextEdgeStage' | 'hasCloudStage' | 'deadlineLeftMs'
> & {
  /** What an escalation from here would send, before it is packed. */
  readonly cutBytes: number;
};

export interface Router {
  decide(exit: Exit): Decision;
  /** Whether chance has drawn this answer from the cache to be checked. */
  auditsCache(): boolean;
  /** Inside the transaction that makes an escalation durable. `cutBytes` before, `bytes` after it was packed. */
  spent(requestId: string, cutBytes: number, bytes: number): void;
  /** Whether somebody may wait for the cloud now. Whoever does says how it ended. */
  mayWait(): boolean;
  waited(inTime: boolean): void;
  /** The cloud has answered. */
  answered(requestId: string): void;
  /** For the operator. */
  breaker(): 'closed' | 'open' | 'half-open';
}

export interface RouterPorts {
  readonly link: () => LinkEstimate;
  readonly budgets: Budgets;
  readonly strain: () => DecideInput['strain'];
  readonly clock: Clock;
  readonly random: Random;
}

export interface RouterTerms {
  /** Of the confident answers, those that the cloud checks. */
  readonly auditShare: number;
  /** Of the answers from the cache. */
  readonly cacheAuditShare: number;
  readonly raceMargin: number;
}

export function createRouter(
  { link, budgets, strain, clock, random }: RouterPorts,
  { auditShare, cacheAuditShare, raceMargin }: RouterTerms,
): Router {
  const breaker = createBreaker(clock);
  const estimator = createCloudEstimator(clock);
  /** Of the latest escalation: what packing makes of a cut. */
  let packedShare = 1;
  const seen = (): LinkEstimate => {
    const now = link();
    if (now.state !== 'up') estimator.forget();
    return now;
  };
  return {
    decide({ cutBytes, ...exit }) {
      const strained = strain();
      // Worked out only when it is read: a confident exit, which most answers are, weighs next to nothing.
      return decide({
        get link() {
          return seen();
        },
        get cloud() {
          return estimator.estimate(cutBytes * packedShare, seen());
        },
        get breakerOpen() {
          return breaker.refuses();
        },
        get price() {
          return budgets.price(clock.nowMs());
        },
        ...(strained === undefined ? {} : { strain: strained }),
        drawn: random.next() < auditShare,
        raceMargin,
        // What is spread stands last (docs/decisions/0054).
        ...exit,
      });
    },
    spent(requestId, cutBytes, bytes) {
      if (cutBytes > 0) packedShare = bytes / cutBytes;
      budgets.spend(bytes, clock.nowMs());
      if (link().state === 'up') estimator.asked(requestId, bytes);
    },
    auditsCache: () => random.next() < cacheAuditShare,
    mayWait: breaker.admits,
    waited: (inTime) => (inTime ? breaker.succeeded() : breaker.failed()),
    answered: (requestId) => estimator.answered(requestId, link()),
    breaker: breaker.state,
  };
}
