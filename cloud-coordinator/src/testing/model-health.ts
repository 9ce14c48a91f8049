// What a simulated device has seen of its answers, drawn by how a bundle behaves and how hard the device's place is.

import type { Random } from '@skerry/shared';
import type { Health } from '@skerry/sync-protocol/update';

/** How answers of a bundle are. Shares. */
export interface Behaviour {
  readonly auditMiss: number;
  readonly escalated: number;
  readonly cloudMiss: number;
  readonly failures: number;
  /** Of the devices that try it, those whose own health gate turns it back. */
  readonly crashes: number;
}

export const goodBehaviour: Behaviour = {
  auditMiss: 0.03,
  escalated: 0.2,
  cloudMiss: 0.1,
  failures: 0.001,
  crashes: 0.002,
};

export interface HealthSourceOptions {
  readonly incumbent: string;
  readonly random: Random;
  readonly behaviourOf: (digest: string) => Behaviour;
  /** Answers of a soak that the cloud has audited. */
  readonly audits: number;
}

const requestsOfSoak = 100;

/** Of one device: each call draws one soak of the bundle. */
export function createHealthSource(options: HealthSourceOptions): (digest: string) => Health {
  const { random, behaviourOf, incumbent, audits } = options;
  const draw = (trials: number, share: number): number => {
    if (trials > 40) {
      const spread = Math.sqrt(trials * share * (1 - share));
      const hits = Math.round(trials * share + spread * random.gaussian());
      return Math.min(trials, Math.max(0, hits));
    }
    let hits = 0;
    for (let i = 0; i < trials; i++) if (random.next() < share) hits++;
    return hits;
  };
  // Devices differ: by light, by dust, by whom they meet.
  const hardship = 0.5 + random.next();
  return (digest) => {
    const { auditMiss, escalated, cloudMiss, failures } = behaviourOf(digest);
    const base = behaviourOf(incumbent);
    // What is worse about a bundle comes on top of what is hard about the place.
    const share = (own: number, usual: number): number =>
      Math.min(1, Math.max(0, usual * hardship + own - usual));
    const asked = draw(requestsOfSoak, share(escalated, base.escalated));
    return {
      overMs: 60_000,
      requests: requestsOfSoak,
      failures: draw(requestsOfSoak, failures),
      atExit: requestsOfSoak - asked,
      escalated: asked,
      degraded: 0,
      cloud: { answers: asked, agreed: asked - draw(asked, share(cloudMiss, base.cloudMiss)) },
      audit: {
        answers: audits,
        agreed: audits - draw(audits, share(auditMiss, base.auditMiss)),
      },
      latency: { p50Ms: 5, p95Ms: 9 + 2 * random.next() },
      memoryBytes: 1_000_000,
    };
  };
}
