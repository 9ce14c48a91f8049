// A plan, a fleet and what its devices say, for tests: valid, small, and changed where a test wants it.

import type { Health } from '@skerry/sync-protocol/update';
import type { FleetDevice } from '../update/rollouts/ports.ts';
import type { BundleRef } from '../update/rollouts/rollout-event.ts';
import {
  type RolloutPlan,
  type RolloutPlanInput,
  rolloutPlanSchema,
} from '../update/rollouts/rollout-plan.ts';

export const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
/** What the sample fleet runs, and what it shall. */
export const incumbentDigest = digestOf('a');
export const candidateDigest = digestOf('b');

export function sampleBundleRef(digest = candidateDigest, version = '1.1.0'): BundleRef {
  return { version, target: `digits/${version}/manifest.json`, bundle: { digest, bytes: 1_000 } };
}

export function samplePlan(more: Partial<RolloutPlanInput> = {}): RolloutPlan {
  return rolloutPlanSchema.parse({
    id: 'digits-1',
    model: 'digits',
    version: '1.1.0',
    waves: [{ count: 20 }, { share: 0.25 }, {}],
    device: {
      metered: 'allow',
      soak: {
        forMs: 60_000,
        requestsMin: 10,
        limits: {
          failureShareMax: 0.05,
          latencyRatioMax: 2,
          exitShareDropMax: 0.2,
          disagreementRiseMax: 0.2,
        },
      },
      timeouts: { fetchMs: 600_000, shadowMs: 600_000, activateMs: 600_000, soakMs: 600_000 },
    },
    herd: { fetchesPerMinute: 60, activationsPerMinute: 60 },
    gate: { devicesMin: 10, audits: { riseMax: 0.02, answersMin: 100 } },
    ...more,
  });
}

/** `device-0`, `device-1`, …, ten a site, all online and on the incumbent. */
export function sampleFleet(size: number): FleetDevice[] {
  return Array.from({ length: size }, (_, i) => ({
    device: `device-${i}`,
    target: i % 4 === 0 ? 'jetson-orin' : 'linux-arm64',
    site: `site-${Math.floor(i / 10)}`,
    labels: i % 2 === 0 ? ['indoor'] : [],
    online: true,
    seenMs: 0,
    running: { digits: incumbentDigest },
  }));
}

/** Of 100 requests, 20 of them audited; `wrong` of these the cloud answers otherwise. */
export function sampleHealth(wrong = 1, more: Partial<Health> = {}): Health {
  return {
    overMs: 60_000,
    requests: 100,
    failures: 0,
    atExit: 80,
    escalated: 20,
    degraded: 0,
    cloud: { answers: 20, agreed: 18 },
    audit: { answers: 20, agreed: 20 - wrong },
    latency: { p50Ms: 5, p95Ms: 10 },
    memoryBytes: 1_000_000,
    ...more,
  };
}
