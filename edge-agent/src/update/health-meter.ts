// How one bundle behaves on this device, counted from when it began to answer: what a report tells, and a soak is judged
// by. In memory; the counts are kept now and then, so a crash costs the latest of them.

import { type Health, healthLabelsMax } from '@skerry/sync-protocol/update';

export interface HealthMeter {
  /** @param computeMs what its stages took; that the link was slow is not the model's doing */
  answered(answer: {
    readonly computeMs: number;
    readonly degraded: boolean;
    readonly source: string;
    /** The class, where it answers with one. */
    readonly label?: number;
  }): void;
  failed(): void;
  escalated(): void;
  /** What the cloud says of what the device would have said, or has. */
  judged(by: 'cloud' | 'audit', agrees: boolean): void;
  read(): Health;
}

/** Of which the quantiles are. */
const latenciesKept = 512;
/** Fewer in this life, and those of the life before are the better guess. */
const latenciesMin = 50;

export function createHealthMeter(
  memoryBytes: number,
  monotonicMs: () => number,
  kept?: Health,
): HealthMeter {
  const startedMs = monotonicMs();
  const counts = {
    requests: 0,
    failures: 0,
    atExit: 0,
    escalated: 0,
    degraded: 0,
    cloud: { answers: 0, agreed: 0 },
    audit: { answers: 0, agreed: 0 },
    ...structuredClone(withoutLabels(kept)),
  };
  // Of a model with more classes than a report may name none is counted: a part of them would look like a shift.
  let labels: number[] | undefined = [...(kept?.labels ?? [])];
  const countLabel = (label: number): void => {
    if (label >= healthLabelsMax) labels = undefined;
    if (labels === undefined) return;
    while (labels.length <= label) labels.push(0);
    labels[label] = (labels[label] ?? 0) + 1;
  };
  const latencies: number[] = [];
  let next = 0;
  const quantile = (share: number): number => {
    const sorted = latencies.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  };
  return {
    answered({ computeMs, degraded, source, label }) {
      counts.requests += 1;
      if (label !== undefined) countLabel(label);
      if (degraded) counts.degraded += 1;
      else if (source.startsWith('exit:')) counts.atExit += 1;
      latencies[next] = computeMs;
      next = (next + 1) % latenciesKept;
    },
    failed() {
      counts.requests += 1;
      counts.failures += 1;
    },
    escalated() {
      counts.escalated += 1;
    },
    judged(by, agrees) {
      counts[by].answers += 1;
      if (agrees) counts[by].agreed += 1;
    },
    read: () => ({
      ...structuredClone(counts),
      overMs: (kept?.overMs ?? 0) + Math.round(monotonicMs() - startedMs),
      latency:
        kept !== undefined && latencies.length < latenciesMin
          ? kept.latency
          : { p50Ms: quantile(0.5), p95Ms: quantile(0.95) },
      memoryBytes,
      ...(labels === undefined || labels.length === 0 ? {} : { labels: [...labels] }),
    }),
  };
}

function withoutLabels(health: Health | undefined): Omit<Health, 'labels'> | undefined {
  if (health === undefined) return undefined;
  const { labels: _, ...rest } = health;
  return rest;
}
