// How long the cloud takes to answer, from the questions it has answered: the time of each less its upload, which is
// added again for the question at hand. Learned from every answer, waited for or not, so that a cloud that has become
// fast again is noticed without anybody waiting for it.

import type { Clock } from '@skerry/shared';
import { createLatencyWindow } from '@skerry/shared/resilience';
import type { CloudEstimate, LinkEstimate } from './decide.ts';

export interface CloudEstimator {
  /** A question of so many bytes has gone to the outbox while the link was up. */
  asked(requestId: string, bytes: number): void;
  answered(requestId: string, link: LinkEstimate): void;
  /** The link is no longer up: what is under way will say nothing of how fast the cloud is. */
  forget(): void;
  estimate(bytes: number, link: LinkEstimate): CloudEstimate;
}

const askedMax = 1_024;
/** With more than the twentieth Exchange lost, the 95th percentile is one that was sent again. */
const lossShareMax = 0.05;
/** The session's shortest wait for a Reply, after which it sends again. */
const sentAgainAfterMs = 1_000;

export function createCloudEstimator(clock: Pick<Clock, 'monotonicMs'>): CloudEstimator {
  const under = new Map<string, { readonly atMs: number; readonly bytes: number }>();
  const restMs = createLatencyWindow();
  return {
    asked(requestId, bytes) {
      const [oldest] = under.keys();
      if (under.size >= askedMax && oldest !== undefined) under.delete(oldest);
      under.set(requestId, { atMs: clock.monotonicMs(), bytes });
    },
    answered(requestId, link) {
      const asked = under.get(requestId);
      if (asked === undefined || !under.delete(requestId)) return;
      const tookMs = clock.monotonicMs() - asked.atMs;
      restMs.observe(Math.max(0, tookMs - uploadMs(asked.bytes, link)));
    },
    forget: () => under.clear(),
    estimate(bytes, link) {
      const p50Ms = restMs.quantileMs(0.5);
      const p95Ms = restMs.quantileMs(0.95);
      if (p50Ms === undefined || p95Ms === undefined) return {};
      const upMs = uploadMs(bytes, link);
      const again = (link.lossShare ?? 0) > lossShareMax ? sentAgainAfterMs : 0;
      return { p50Ms: p50Ms + upMs, p95Ms: p95Ms + upMs + again };
    },
  };
}

const uploadMs = (bytes: number, { bytesPerSecond }: LinkEstimate): number =>
  bytesPerSecond === undefined ? 0 : (1_000 * bytes) / bytesPerSecond;
