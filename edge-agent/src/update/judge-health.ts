// Whether a model that is new here behaves, by what this device alone can see of it, against the one before it. Pure: it
// decides with no cloud. A share condemns only where chance does not explain it, for a few requests say little: the
// interval is exact (Clopper and Pearson), so a device with few requests is never rolled back by one unlucky answer.

import { clopperPearson } from '@skerry/models';
import type { Health, HealthLimits } from '@skerry/sync-protocol/update';

/** How often, at most, each bound is missed by chance; small, for a soak is judged many times. */
const delta = 0.001;
/** Fewer requests give no p95 to compare. */
const latencyRequestsMin = 50;

interface Share {
  readonly of: number;
  readonly hits: number;
}

/** Why it is unhealthy; none: nothing is known against it. */
export function judgeHealth(
  candidate: Health,
  baseline: Health | undefined,
  limits: HealthLimits,
): readonly string[] {
  const against: string[] = [];
  const { requests, failures } = candidate;
  const failed = boundsOf({ of: requests, hits: failures });
  if (failed.lower > limits.failureShareMax)
    against.push(
      `${failures} of ${requests} requests failed, at most ${percent(limits.failureShareMax)}`,
    );
  const { memoryBytesMax } = limits;
  if (memoryBytesMax !== undefined && candidate.memoryBytes > memoryBytesMax)
    against.push(`it takes ${candidate.memoryBytes} bytes of memory, at most ${memoryBytesMax}`);
  if (baseline === undefined) return against;
  const enough = Math.min(answersOf(candidate), answersOf(baseline)) >= latencyRequestsMin;
  const p95Max = baseline.latency.p95Ms * limits.latencyRatioMax;
  if (enough && candidate.latency.p95Ms > p95Max)
    against.push(
      `p95 ${candidate.latency.p95Ms.toFixed(1)} ms, the one before had ${baseline.latency.p95Ms.toFixed(1)} ms`,
    );
  const exits = apart(exitsOf(candidate), exitsOf(baseline));
  if (Math.max(exits.risen, exits.dropped) > limits.exitShareDropMax)
    against.push(
      `answers ${shareOf(exitsOf(candidate))} by itself, the one before ${shareOf(exitsOf(baseline))}`,
    );
  for (const [who, of] of [
    ['cloud', (health: Health) => health.cloud],
    ['audit', (health: Health) => health.audit],
  ] as const) {
    const [now, then] = [disagreed(of(candidate)), disagreed(of(baseline))];
    if (apart(now, then).risen > limits.disagreementRiseMax)
      against.push(
        `${who}: the cloud disagrees with ${shareOf(now)}, before with ${shareOf(then)}`,
      );
  }
  return against;
}

const answersOf = ({ requests, failures }: Health): number => requests - failures;
const exitsOf = (health: Health): Share => ({ of: answersOf(health), hits: health.atExit });
const disagreed = ({ answers, agreed }: Health['cloud']): Share => ({
  of: answers,
  hits: answers - agreed,
});

function boundsOf({ of, hits }: Share) {
  return clopperPearson(hits, of, delta);
}

/** By how much the one share surely differs from the other; negative where it may not differ at all. */
function apart(now: Share, then: Share): { readonly risen: number; readonly dropped: number } {
  const [a, b] = [boundsOf(now), boundsOf(then)];
  return { risen: a.lower - b.upper, dropped: b.lower - a.upper };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const shareOf = ({ of, hits }: Share): string => (of === 0 ? 'none' : percent(hits / of));
