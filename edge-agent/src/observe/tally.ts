// What this device has answered since it started, as the coordinator and Prometheus hear of it.

import type { Clock } from '@skerry/shared';
import type { DeviceStatus } from '@skerry/sync-protocol';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { InferenceAnswer } from '../infer/request.ts';
import { type WatchedCaches, watchCaches } from './cache-metrics.ts';

type Counts = DeviceStatus['counts'];
type ModelCounts = NonNullable<DeviceStatus['models'][number]['counts']>;
type RecentDecision = DeviceStatus['recent'][number];

export interface Tally {
  answered(answer: InferenceAnswer, nowMs: number): void;
  escalated(): void;
  textAnswered(source: string, degraded: boolean): void;
  audited(agrees: boolean): void;
  late(answers: number): void;
  pushed(outcome: 'delivered' | 'passed-over'): void;
  failed(code: string): void;
  counts(): Counts;
  /** Of one model, by its name; `atExit` without the degraded, but for the cache's. */
  countsOf(model: string): ModelCounts;
  /** The decisions since the last call, newest last, as many as a status takes. */
  takeRecent(): RecentDecision[];
  metrics(): Promise<string>;
}

export interface TallyGauges {
  readonly queueOps: () => number;
  readonly queueBytes: () => number;
  readonly waitingForModel: () => number;
  readonly waitingForCloud: () => number;
  readonly linkUp: () => boolean;
}

const recentMax = 8;

export function createTally(
  gauges: TallyGauges,
  clock: Pick<Clock, 'after'>,
  caches?: WatchedCaches,
): Tally {
  const registry = new Registry();
  if (caches !== undefined) watchCaches(caches, registry);
  const registers = [registry];
  const counts = {
    answered: 0,
    atExit: {} as Record<string, number>,
    escalated: 0,
    cloudInTime: 0,
    degraded: 0,
    late: 0,
    failed: 0,
  };
  const byModel = new Map<string, ModelCounts>();
  let recent: RecentDecision[] = [];
  const answers = new Counter({
    name: 'skerry_answers_total',
    help: 'Answers given to apps, by source and whether degraded',
    labelNames: ['model', 'source', 'degraded'],
    registers,
  });
  const latency = new Histogram({
    name: 'skerry_answer_seconds',
    help: 'Time from request to answer, by source',
    labelNames: ['source'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
  const escalations = new Counter({
    name: 'skerry_escalations_total',
    help: 'Questions made durable for the cloud',
    registers,
  });
  const texts = new Counter({
    name: 'skerry_text_answers_total',
    help: 'Texts answered, by source and whether degraded',
    labelNames: ['source', 'degraded'],
    registers,
  });
  const audits = new Counter({
    name: 'skerry_audits_total',
    help: 'Confident answers that the cloud has checked, by whether it agrees',
    labelNames: ['agrees'],
    registers,
  });
  const lateAnswers = new Counter({
    name: 'skerry_late_answers_total',
    help: 'Answers that came after the app had its local one',
    registers,
  });
  const pushes = new Counter({
    name: 'skerry_webhook_answers_total',
    help: 'Late answers that the webhook is done with',
    labelNames: ['outcome'],
    registers,
  });
  const failures = new Counter({
    name: 'skerry_failures_total',
    help: 'Requests refused, by code',
    labelNames: ['code'],
    registers,
  });
  for (const [name, help, read] of [
    ['skerry_outbox_ops', 'Unacknowledged ops', gauges.queueOps],
    ['skerry_outbox_bytes', 'Their bytes', gauges.queueBytes],
    ['skerry_waiting_for_model', 'Requests waiting for the model', gauges.waitingForModel],
    ['skerry_waiting_for_cloud', 'Requests waiting for the cloud', gauges.waitingForCloud],
    ['skerry_link_up', '1 while the coordinator answers', () => Number(gauges.linkUp())],
  ] as const)
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  /** The answers of this turn of the loop; counted in the next, when they have gone out. */
  let uncounted: (readonly [InferenceAnswer, number])[] = [];
  const countAll = (): void => {
    const taken = uncounted;
    uncounted = [];
    for (const [answer, nowMs] of taken) countAnswer(answer, nowMs);
  };
  const countAnswer = (answer: InferenceAnswer, nowMs: number): void => {
    const { source, degraded, latencyMs, model } = answer;
    counts.answered += 1;
    if (source === 'cloud') counts.cloudInTime += 1;
    else counts.atExit[source] = (counts.atExit[source] ?? 0) + 1;
    if (degraded) counts.degraded += 1;
    const { name } = model.manifest;
    byModel.set(name, countOne(byModel.get(name) ?? noneCounted, source, degraded));
    answers.inc({ model: name, source, degraded: String(degraded) });
    latency.observe({ source }, latencyMs / 1000);
    recent = [...recent.slice(1 - recentMax), decisionOf(answer, nowMs)];
  };

  return {
    answered(answer, nowMs) {
      if (uncounted.push([answer, nowMs]) === 1) clock.after(0, countAll);
    },
    escalated() {
      counts.escalated += 1;
      escalations.inc();
    },
    textAnswered(source, degraded) {
      texts.inc({ source, degraded: String(degraded) });
    },
    audited(agrees) {
      audits.inc({ agrees: String(agrees) });
    },
    late(many) {
      counts.late += many;
      lateAnswers.inc(many);
    },
    pushed(outcome) {
      pushes.inc({ outcome });
    },
    failed(code) {
      counts.failed += 1;
      failures.inc({ code });
    },
    counts() {
      countAll();
      return { ...counts, atExit: { ...counts.atExit } };
    },
    countsOf(model) {
      countAll();
      return byModel.get(model) ?? noneCounted;
    },
    takeRecent() {
      countAll();
      const taken = recent;
      recent = [];
      return taken;
    },
    metrics() {
      countAll();
      return registry.metrics();
    },
  };
}

const noneCounted: ModelCounts = { answered: 0, atExit: {}, degraded: 0 };

function countOne(counts: ModelCounts, source: string, degraded: boolean): ModelCounts {
  const { answered, atExit } = counts;
  // No calibration covers the cache, but its audits tell its risk.
  const isCounted = !degraded || source === 'cache';
  return {
    answered: answered + 1,
    atExit: isCounted ? { ...atExit, [source]: (atExit[source] ?? 0) + 1 } : atExit,
    degraded: counts.degraded + Number(degraded),
  };
}

function decisionOf(answer: InferenceAnswer, atMs: number): RecentDecision {
  const { manifest } = answer.model;
  return {
    requestId: answer.requestId,
    atMs,
    model: manifest.name,
    source: answer.source,
    label: manifest.labels[answer.label] ?? String(answer.label),
    confidence: answer.confidence,
    reason: answer.reason,
    latencyMs: answer.latencyMs,
  };
}
