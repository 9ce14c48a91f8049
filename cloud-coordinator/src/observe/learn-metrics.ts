// What learning counts: of each record that this process has written to a run's log, so that several coordinators add up.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { spentOf } from '../learn/privacy/index.ts';
import { answered, isOfRound, type RunEvent, type RunState } from '../learn/runs/index.ts';

export interface LearnMetrics {
  /** Of a run as it was before: `undefined` where it begins. */
  written(before: RunState | undefined, events: readonly RunEvent[]): void;
  /** Runs are looked at when somebody scrapes. */
  watch(runs: () => readonly RunState[]): void;
}

const minuteS = 60;
const hourS = 60 * minuteS;
const roundSeconds = [
  1,
  5,
  15,
  30,
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * minuteS),
  ...[1, 3, 8, 24].map((hours) => hours * hourS),
];

export function createLearnMetrics(registers: Registry[]): LearnMetrics {
  const rounds = new Counter({
    name: 'skerry_learn_rounds_total',
    help: 'Models that rounds of learning have made',
    labelNames: ['model'] as const,
    registers,
  });
  const attempts = new Counter({
    name: 'skerry_learn_attempts_failed_total',
    help: 'Attempts of rounds that came to nothing',
    labelNames: ['model'] as const,
    registers,
  });
  const replies = new Counter({
    name: 'skerry_learn_replies_total',
    help: 'Replies of devices by what came of them, and why they declined',
    labelNames: ['model', 'outcome', 'reason'] as const,
    registers,
  });
  const updates = new Counter({
    name: 'skerry_learn_updates_total',
    help: 'Updates at the end of their round: used, or left out and why',
    labelNames: ['model', 'used', 'reason'] as const,
    registers,
  });
  const bytes = new Counter({
    name: 'skerry_learn_update_bytes_total',
    help: 'Bytes of updates that devices have sent in the clear',
    labelNames: ['model'] as const,
    registers,
  });
  const seconds = new Histogram({
    name: 'skerry_learn_round_seconds',
    help: 'From one model of a run to the next, all attempts in between',
    labelNames: ['model'] as const,
    buckets: roundSeconds,
    registers,
  });

  const count = (before: RunState, event: RunEvent): void => {
    const { model } = before.plan;
    if (event.kind === 'closed' && hasFailed(before)) attempts.inc({ model });
    if (event.kind === 'replied')
      for (const { outcome } of event.replies) {
        const reason = outcome.kind === 'declined' ? outcome.reason : '';
        replies.inc({ model, outcome: outcome.kind, reason });
        if (outcome.kind === 'trained') bytes.inc({ model }, outcome.update.bytes);
      }
    if (event.kind !== 'aggregated') return;
    for (const { used, reason } of event.contributions)
      updates.inc({ model, used: String(used), reason: used ? '' : labelOf(reason) });
    if (!event.changed) return;
    rounds.inc({ model });
    const sinceMs = before.history.at(-1)?.atMs ?? before.createdMs;
    seconds.observe({ model }, (event.atMs - sinceMs) / 1_000);
  };

  return {
    written(before, events) {
      if (before !== undefined) for (const event of events) count(before, event);
    },
    watch(runs) {
      new Gauge({
        name: 'skerry_learn_runs',
        help: 'Runs of learning, by where they stand',
        labelNames: ['model', 'state'],
        registers,
        collect() {
          this.reset();
          for (const { plan, phase } of runs())
            this.inc({ model: plan.model, state: phase.kind }, 1);
        },
      });
      new Gauge({
        name: 'skerry_learn_epsilon_spent',
        help: 'Of a private run that has not ended, ε so far; its budget is in the plan',
        labelNames: ['run'],
        registers,
        collect() {
          this.reset();
          for (const state of runs()) {
            const epsilon = epsilonOf(state);
            if (epsilon !== undefined) this.set({ run: state.plan.id }, epsilon);
          }
        },
      });
    },
  };
}

/** A label has few values: a sentence about one update is in the log. */
const labelOf = (reason = ''): string => (/^[a-z-]{1,32}$/.test(reason) ? reason : 'refused');

/** As `close` of round-steps has it: who has enough replies goes on. */
const hasFailed = (state: RunState): boolean => {
  const { phase, plan } = state;
  if (!isOfRound(phase) || phase.work === 'evaluate') return false;
  const isAsking = phase.kind === 'training' || phase.kind === 'querying';
  return !isAsking || answered(state, phase.work) < plan.clients.min;
};

const epsilonOf = ({ privacy, phase }: RunState): number | undefined =>
  privacy === undefined || !('untilMs' in phase) ? undefined : spentOf(privacy.ledger).epsilon;
