// The audits of the fleet: counted by day, device, variant and exit, and written down from time to time, each count added
// to what is there, so that several coordinators may share a table. A crash loses the counts of seconds, which biases
// nothing: which those are has nothing to do with what the cloud said.

import { type Clock, type Log, ok, type Result, type Timer } from '@skerry/shared';
import type { Answer, DeviceStatus, Escalation } from '@skerry/sync-protocol';
import type { CloudHalf } from '../infer/cloud-half.ts';
import { estimateRisk, type RiskEstimate, type RiskSample } from './estimate-risk.ts';

/** Of what an audit tells. */
export interface AuditKey {
  readonly model: string;
  readonly version: string;
  readonly variant: string;
  /** 0: the device's cache. */
  readonly exit: number;
}

export interface AuditSum extends AuditKey {
  readonly audited: number;
  readonly disagreed: number;
}

export interface AuditCount extends AuditSum {
  readonly device: string;
}

export interface AuditTable {
  /** Adds to the counts of `day`, and forgets the days before `keptFromDay`. */
  add(counts: readonly AuditCount[], day: number, keptFromDay: number): Promise<Result<void>>;
  /** Summed from `fromDay` on, of one device or of all; the most audits first. */
  sums(fromDay: number, device?: string): Promise<Result<readonly AuditSum[]>>;
}

export interface RiskReport extends AuditKey, RiskSample, RiskEstimate {
  /** What the calibration promises, where this coordinator has the bundle. */
  readonly epsilon?: number;
  readonly delta?: number;
}

export interface Audits {
  /** An answer has become durable. */
  answered(device: string, body: Escalation, outcome: Answer['outcome']): void;
  /** Over the window: of one device, or of the fleet. */
  report(device?: string): Promise<Result<readonly RiskReport[]>>;
  /** Of the fleet, as the last count has left it. */
  latest(): readonly RiskReport[];
  close(): Promise<void>;
}

export interface AuditsPorts {
  readonly table: AuditTable;
  /** What this coordinator has of the models that are audited. */
  readonly halves: () => readonly Pick<CloudHalf, 'variant' | 'calibration'>[];
  /** The latest status of a device, or of all. */
  readonly statuses: (device?: string) => readonly DeviceStatus[];
  readonly clock: Clock;
  readonly log: Log;
}

const dayMs = 86_400_000;
const flushEveryMs = 5_000;
/** Days that an estimate looks back: older audits say little of today's inputs. */
export const auditWindowDays = 7;

export function createAudits({ table, halves, statuses, clock, log }: AuditsPorts): Audits {
  let pending = new Map<string, AuditCount>();
  let timer: Timer | undefined;
  let flushing: Promise<unknown> = Promise.resolve();
  let fleet: readonly RiskReport[] = [];
  const today = (): number => Math.floor(clock.nowMs() / dayMs);

  const flush = async (): Promise<void> => {
    timer?.cancel();
    timer = undefined;
    const counts = pending;
    pending = new Map();
    if (counts.size === 0) return;
    const day = today();
    const added = await table.add([...counts.values()], day, day - auditWindowDays + 1);
    if (!added.ok) {
      log.error({ code: added.error.code }, `cannot count audits: ${added.error.message}`);
      for (const count of counts.values()) note(count);
    }
  };

  const note = (count: AuditCount): void => {
    const { device, variant, exit } = count;
    const key = `${device} ${variant} ${exit}`;
    const known = pending.get(key);
    pending.set(key, {
      ...count,
      audited: count.audited + (known?.audited ?? 0),
      disagreed: count.disagreed + (known?.disagreed ?? 0),
    });
    timer ??= clock.after(flushEveryMs, () => {
      flushing = flush().then(review);
    });
  };

  const report = async (device?: string): Promise<Result<readonly RiskReport[]>> => {
    const sums = await table.sums(today() - auditWindowDays + 1, device);
    if (!sums.ok) return sums;
    const known = statuses(device);
    const exits = sums.value.length;
    // Of devices each is one of many that somebody looks at; of the fleet's exits each is one of few.
    const watched = device === undefined ? exits : exits * statuses().length;
    return ok(sums.value.map((sum) => reportOf(sum, known, halves(), watched)));
  };

  /** Says it once when an alarm begins, and once when it ends. */
  const review = async (): Promise<void> => {
    const next = await report();
    if (!next.ok) return;
    const wasAlarmed = new Set(fleet.filter(({ alarm }) => alarm).map(keyOf));
    for (const each of next.value) {
      const { model, variant, exit, lower, epsilon, audited } = each;
      if (each.alarm && !wasAlarmed.has(keyOf(each)))
        log.error(
          { model, variant, exit, lower, epsilon, audited },
          'a guarantee is broken: the cloud disagrees with more answers than the calibration allows',
        );
      if (!each.alarm && wasAlarmed.has(keyOf(each)))
        log.warn({ model, variant, exit }, 'a guarantee holds again');
    }
    fleet = next.value;
  };

  flushing = review();
  return {
    answered(device, body, outcome) {
      if (body.audit === undefined || outcome.kind !== 'answered') return;
      const { model, version, variant, local } = body;
      const disagreed = outcome.label === local.label ? 0 : 1;
      const exit = body.audit === 'cache' ? 0 : local.exit;
      note({ device, model, version, variant, exit, audited: 1, disagreed });
    },
    async report(device) {
      await flush();
      return report(device);
    },
    latest: () => fleet,
    async close() {
      await flushing;
      await flush();
    },
  };
}

const keyOf = ({ variant, exit }: AuditKey): string => `${variant} ${exit}`;

function reportOf(
  { model, version, variant, exit, audited, disagreed }: AuditSum,
  known: readonly DeviceStatus[],
  halves: ReturnType<AuditsPorts['halves']>,
  watched: number,
): RiskReport {
  const calibrated = halves
    .find((half) => half.variant === variant)
    ?.calibration.exits.find((each) => each.exit === exit);
  const sample = { audited, disagreed, ...sharesOf(known, variant, exit) };
  return {
    model,
    version,
    variant,
    exit,
    ...sample,
    ...(calibrated === undefined ? {} : { epsilon: calibrated.epsilon, delta: calibrated.delta }),
    ...estimateRisk(sample, calibrated?.epsilon, watched),
  };
}

/** As the devices count them since each has started; a device that does not tell counts as if all were answered here. */
function sharesOf(known: readonly DeviceStatus[], variant: string, exit: number) {
  let answered = 0;
  let here = 0;
  let degraded = 0;
  for (const { models } of known)
    for (const { variant: its, counts } of models) {
      if (its !== variant || counts === undefined) continue;
      answered += counts.answered;
      here += counts.atExit[exit === 0 ? 'cache' : `exit:${exit}`] ?? 0;
      degraded += counts.degraded;
    }
  return answered === 0
    ? { coverage: 1, degradedShare: 0 }
    : { coverage: here / answered, degradedShare: degraded / answered };
}
