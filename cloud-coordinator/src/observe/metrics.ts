// What the coordinator counts, in the names that Prometheus conventions ask for: base units, `_total` for counters.

import type { FailureCode } from '@skerry/shared';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const failures = new Counter({
    name: 'skerry_failures_total',
    help: 'Messages and exchanges that failed, by code',
    labelNames: ['code'] as const,
    registers,
  });
  return {
    exchanges: new Counter({
      name: 'skerry_exchanges_total',
      help: 'Exchanges replied to',
      registers,
    }),
    ops: new Counter({ name: 'skerry_ops_total', help: 'New ops accepted', registers }),
    answers: new Counter({
      name: 'skerry_answers_total',
      help: 'Answers made durable, by what they say: answered, or a failure code',
      labelNames: ['outcome'] as const,
      registers,
    }),
    suspicions: new Counter({
      name: 'skerry_device_disks_suspect_total',
      help: 'Devices whose disk went back in time, or that run twice by one name',
      labelNames: ['kind'] as const,
      registers,
    }),
    batchRows: new Histogram({
      name: 'skerry_infer_batch_rows',
      help: 'Rows in one run of a cloud stage',
      labelNames: ['model'] as const,
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    inferSeconds: new Histogram({
      name: 'skerry_infer_seconds',
      help: 'Time of one run of a cloud stage',
      labelNames: ['model'] as const,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    failed(code: FailureCode): void {
      failures.inc({ code });
    },
    /** A value that is read when somebody scrapes. */
    watch(name: string, help: string, read: () => number): void {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
