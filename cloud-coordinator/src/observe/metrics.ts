// What the coordinator counts, in the names that Prometheus conventions ask for: base units, `_total` for counters.

import type { OpenInferenceServer, StatisticsReading } from '@skerry/models/open-inference';
import type { FailureCode } from '@skerry/shared';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { UpstreamPool } from '../infer/upstreams/upstream-pool.ts';
import type { RiskReport } from '../route/audits.ts';
import { createLearnMetrics } from './learn-metrics.ts';

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
  const logsRemoved = new Counter({
    name: 'skerry_event_logs_removed_total',
    help: 'Logs of rollouts and learning runs that have ended and are kept no longer',
    labelNames: ['kind'] as const,
    registers,
  });
  const eventsRemoved = new Counter({
    name: 'skerry_events_removed_total',
    help: 'Events that these logs held',
    labelNames: ['kind'] as const,
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
    learning: createLearnMetrics(registers),
    watchModels: (models: WatchedModels) => watchModels(models, registers),
    watchUpstreams: (pool: Pick<UpstreamPool, 'status'>) => watchUpstreams(pool, registers),
    logsRemoved(kind: 'rollout' | 'learn', logs: number, events: number): void {
      logsRemoved.inc({ kind }, logs);
      eventsRemoved.inc({ kind }, events);
    },
    failed(code: FailureCode): void {
      failures.inc({ code });
    },
    /** A value that is read when somebody scrapes. */
    watch(name: string, help: string, read: () => number | Promise<number>): void {
      new Gauge({
        name,
        help,
        registers,
        async collect() {
          this.set(await read());
        },
      });
    },
    /** The same for one value of each of several things. */
    watchEach(
      name: string,
      help: string,
      labelNames: readonly string[],
      read: () => readonly (readonly [labels: Record<string, string | number>, value: number])[],
    ): void {
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.set(labels, value);
        },
      });
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

export interface WatchedModels {
  readonly server: Pick<OpenInferenceServer, 'models'>;
  waiting(): ReadonlyMap<string, number>;
}

/** What each model has done, read when somebody scrapes: inferences over executions is the average batch. */
function watchModels({ server, waiting }: WatchedModels, registers: Registry[]): void {
  const count = (
    name: string,
    help: string,
    more: readonly string[],
    read: (statistics: StatisticsReading) => readonly [Record<string, string>, number][],
  ): void => {
    new Counter({
      name,
      help,
      labelNames: ['model', 'version', ...more],
      registers,
      collect() {
        this.reset();
        for (const { description, statistics } of server.models())
          for (const [labels, value] of read(statistics.read()))
            this.inc({ model: description.name, version: description.version, ...labels }, value);
      },
    });
  };
  count('skerry_infer_inferences_total', 'Rows that a model has run', [], (read) => [
    [{}, read.inferences],
  ]);
  count('skerry_infer_executions_total', 'Runs of a model', [], (read) => [[{}, read.executions]]);
  count('skerry_infer_requests_total', 'Requests, by how they ended', ['outcome'], (read) => [
    [{ outcome: 'SUCCESS' }, read.success.count],
    ...Object.entries(read.failures).map(([outcome, failed]): [Record<string, string>, number] => [
      { outcome },
      failed,
    ]),
  ]);
  count('skerry_infer_queue_seconds_total', 'Time that requests waited for a model', [], (read) => [
    [{}, read.queue.ns / 1e9],
  ]);
  new Gauge({
    name: 'skerry_infer_waiting_rows',
    help: 'Rows that wait for a model',
    labelNames: ['model'],
    registers,
    collect() {
      this.reset();
      for (const [model, rows] of waiting()) this.set({ model }, rows);
    },
  });
}

/** What audits tell of the fleet. */
export function watchRisks(metrics: Metrics, latest: () => readonly RiskReport[]): void {
  const each = (name: string, help: string, value: (report: RiskReport) => number): void =>
    metrics.watchEach(name, help, ['model', 'variant', 'exit'], () =>
      latest().map((report) => {
        const { model, variant, exit } = report;
        return [{ model, variant, exit }, value(report)];
      }),
    );
  each('skerry_audits', 'Audits in the window', ({ audited }) => audited);
  each(
    'skerry_risk',
    'Share of requests answered at this exit and not as the cloud would',
    (r) => r.risk,
  );
  each('skerry_risk_lower', 'Its exact lower bound', ({ lower }) => lower);
  each('skerry_risk_upper', 'Its exact upper bound', ({ upper }) => upper);
  each('skerry_risk_effective', 'The upper bound and the degraded share', (r) => r.effectiveRisk);
  each(
    'skerry_guarantee_broken',
    '1 where the calibration’s epsilon is exceeded for certain',
    (r) => Number(r.alarm),
  );
}

function watchUpstreams({ status }: Pick<UpstreamPool, 'status'>, registers: Registry[]): void {
  new Gauge({
    name: 'skerry_upstream_available',
    help: 'Whether an upstream would be asked now',
    labelNames: ['upstream'],
    registers,
    collect() {
      for (const { name, available } of status()) this.set({ upstream: name }, available ? 1 : 0);
    },
  });
  new Counter({
    name: 'skerry_upstream_calls_total',
    help: 'Calls of an upstream, by whether it answered',
    labelNames: ['upstream', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const { name, succeeded, failed } of status()) {
        this.inc({ upstream: name, outcome: 'succeeded' }, succeeded);
        this.inc({ upstream: name, outcome: 'failed' }, failed);
      }
    },
  });
  new Counter({
    name: 'skerry_upstream_hedges_total',
    help: 'Calls of an upstream because another took its time',
    labelNames: ['upstream'],
    registers,
    collect() {
      this.reset();
      for (const { name, hedges } of status()) this.inc({ upstream: name }, hedges);
    },
  });
}
