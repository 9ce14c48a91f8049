// A candidate runs on live inputs beside the incumbent and answers nobody. What it may cost is bounded: a share of the
// requests, only while nobody waits for the model, and an energy that is estimated from the time that it computes.

import type { Tensor } from '@skerry/models';
import type { Clock, Random } from '@skerry/shared';
import type { ModelAssignment } from '@skerry/sync-protocol/update';
import type { Model, StageOutcome } from '../infer/model.ts';
import { createHealthMeter } from './health-meter.ts';
import type { ShadowProgress } from './plan-update.ts';

export interface ShadowPorts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly random: Pick<Random, 'next'>;
  /** Requests that are inside for a model, the one on offer among them. */
  readonly waiting: () => number;
  /** What computing draws, for the estimate. */
  readonly computeMilliwatts: number;
  readonly memoryBytes: number;
}

export interface Shadow {
  /**
   * A request is about to run. Undefined: not this one. Else call it with what the incumbent said; the input is copied
   * now, for a run may move its buffer.
   */
  offer(input: Tensor): ((incumbent: StageOutcome) => void) | undefined;
  progress(): ShadowProgress;
}

/** The latest run counts for half: enough to see a device that got hot. */
const memory = 0.5;
/** With each request that is let pass since runs took too long: what was slow then may not be so now. */
const forgets = 0.9;

export function createShadow(
  candidate: Pick<Model, 'runStage'>,
  terms: NonNullable<ModelAssignment['shadow']>,
  ports: ShadowPorts,
): Shadow {
  const { clock, random, waiting } = ports;
  const meter = createHealthMeter(ports.memoryBytes, clock.monotonicMs);
  let answers = 0;
  let agreed = 0;
  let failures = 0;
  let computedMs = 0;
  let typicalMs = 0;
  let running = false;
  const millijoules = (): number => (computedMs * ports.computeMilliwatts) / 1000;

  /** To the exit at which the incumbent answered, and no further. */
  const runTo = async (input: Tensor, exit: number): Promise<StageOutcome | undefined> => {
    let next: Tensor | undefined = input;
    for (let place = 0; next !== undefined; place++) {
      const ran = await candidate.runStage(place, next);
      if (!ran.ok) return undefined;
      const { hasNextEdgeStage, cut } = ran.value;
      if (ran.value.exit >= exit || !hasNextEdgeStage) return ran.value;
      next = cut?.tensor;
    }
    return undefined;
  };

  const run = async (input: Tensor, incumbent: StageOutcome): Promise<void> => {
    running = true;
    const startedMs = clock.monotonicMs();
    const outcome = await runTo(input, incumbent.exit).catch(() => undefined);
    const tookMs = clock.monotonicMs() - startedMs;
    running = false;
    computedMs += tookMs;
    typicalMs = typicalMs === 0 ? tookMs : typicalMs + memory * (tookMs - typicalMs);
    if (outcome === undefined) {
      failures += 1;
      meter.failed();
    } else {
      answers += 1;
      if (outcome.prediction.index === incumbent.prediction.index) agreed += 1;
      const { threshold, prediction } = outcome;
      const degraded = threshold === null || prediction.confidence < threshold;
      meter.answered({ computeMs: tookMs, degraded, source: `exit:${outcome.exit}` });
    }
  };

  const isSpent = (): boolean =>
    terms.millijoulesMax !== undefined && millijoules() >= terms.millijoulesMax;

  return {
    offer(input) {
      if (running || waiting() > 1 || isSpent()) return undefined;
      if (typicalMs > terms.latencyMsMax) {
        // One run that the machine's other work drew out would be the last one else.
        typicalMs *= forgets;
        return undefined;
      }
      if (random.next() >= terms.shareMax) return undefined;
      const copy: Tensor = { ...input, data: input.data.slice() };
      return (incumbent) => {
        if (!running) void run(copy, incumbent);
      };
    },
    progress: () => ({
      answers,
      agreed,
      failures,
      millijoules: millijoules(),
      health: { ...meter.read(), shadow: { answers, agreed } },
    }),
  };
}
