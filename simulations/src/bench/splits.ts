// One experiment over and over: half of what is known chooses a threshold, the other half shows what it really costs.

import type { Judged, MethodName, Threshold } from '@skerry/models/calibration';
import { chooseThreshold, methodNames } from '@skerry/models/calibration';
import { createRandom, type Random } from '@skerry/shared';
import { mean } from './statistics.ts';

export interface SplitOptions {
  readonly splits: number;
  /** Of them choose the threshold; all others test it. */
  readonly examples: number;
  readonly epsilon: number;
  readonly delta: number;
  readonly binary: boolean;
}

/** Over the splits. */
export interface MethodOutcome {
  /** How often the risk on the rest was more than ε. */
  readonly exceededShare: number;
  /**
   * The same where calibration draws with replacement and all the images are the population: what the guarantees speak of.
   * A split's rest is worse where its calibration part was lucky, the more so the larger that part.
   */
  readonly exceededOfAllShare: number;
  readonly riskMean: number;
  readonly escalatedMean: number;
}

export function repeatSplits(
  pool: readonly Judged[],
  options: SplitOptions,
): Record<MethodName, MethodOutcome> {
  const random = createRandom(1);
  // Sorted once: choosing sorts again, which costs little then.
  const ranked = pool.toSorted((a, b) => b.confidence - a.confidence);
  const tested = emptyByMethod();
  const testedOnAll = emptyByMethod();
  for (let split = 0; split < options.splits; split++) {
    const chosen = drawMembers(ranked.length, options.examples, random);
    const calibration = ranked.filter((_, i) => chosen[i] === 1);
    const test = ranked.filter((_, i) => chosen[i] === 0);
    const drawn = drawSorted(ranked, options.examples, random);
    for (const method of methodNames) {
      const choose = (from: readonly Judged[]) => chooseThreshold(from, { ...options, method });
      tested[method].push(testThreshold(choose(calibration), test));
      testedOnAll[method].push(testThreshold(choose(drawn), ranked));
    }
  }
  return Object.fromEntries(
    methodNames.map((method) => [
      method,
      {
        exceededShare: shareAbove(tested[method], options.epsilon),
        exceededOfAllShare: shareAbove(testedOnAll[method], options.epsilon),
        riskMean: mean(tested[method].map(({ risk }) => risk)),
        escalatedMean: mean(tested[method].map(({ escalated }) => escalated)),
      },
    ]),
  ) as Record<MethodName, MethodOutcome>;
}

type Tested = ReturnType<typeof testThreshold>;

const emptyByMethod = () =>
  Object.fromEntries(methodNames.map((method) => [method, []])) as unknown as Record<
    MethodName,
    Tested[]
  >;

const shareAbove = (tested: readonly Tested[], epsilon: number): number =>
  mean(tested.map(({ risk }) => Number(risk > epsilon)));

/** With replacement, in the pool's order. */
function drawSorted(pool: readonly Judged[], members: number, random: Random): Judged[] {
  const places = Uint32Array.from({ length: members }, () => random.below(pool.length));
  return Array.from(places.sort(), (place) => pool[place] as Judged);
}

/** 1 for `members` places of `count`, drawn without replacement. */
function drawMembers(count: number, members: number, random: Random): Uint8Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const chosen = new Uint8Array(count);
  for (let i = 0; i < members; i++) {
    const other = i + random.below(count - i);
    chosen[order[other] as number] = 1;
    order[other] = order[i] as number;
  }
  return chosen;
}

function testThreshold({ threshold }: Threshold, test: readonly Judged[]) {
  const answered = test.filter(({ confidence }) => threshold !== null && confidence >= threshold);
  return {
    risk: answered.reduce((sum, { loss }) => sum + loss, 0) / test.length,
    escalated: 1 - answered.length / test.length,
  };
}
