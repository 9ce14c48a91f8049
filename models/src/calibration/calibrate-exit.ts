// Calibration of one exit of one variant, from what this very variant gave on held-out examples. One part of them chooses
// the temperature and the domain, the other proves the threshold: what a proof rests on must not have been fitted to it.

import { assert } from '@skerry/shared';
import type { ExitCalibration } from '../bundle/calibration.ts';
import { predict, softmax } from '../confidence.ts';
import { expectedCalibrationError } from './calibration-error.ts';
import {
  type ChooseOptions,
  chooseThreshold,
  type MethodName,
  neverAnswered,
  type Outcome,
  type RiskBound,
  type Threshold,
} from './choose-threshold.ts';
import { clopperPearson } from './clopper-pearson.ts';
import { type Domain, isInDomain } from './domain.ts';
import { fitDomain } from './fit-domain.ts';
import { type LossName, losses } from './loss.ts';
import { cutAt, logitsAt, type Observed, wholeAt } from './observed.ts';
import { areaUnder, excessArea, riskCoverage, thinned } from './risk-coverage.ts';
import { fitTemperature, type Scored } from './temperature.ts';

/** Points of a manifest's risk–coverage curve. */
const curvePointsMax = 33;

export interface CalibrationData {
  readonly tuning: Observed;
  readonly proving: Observed;
}

/** What is to be bounded, and how. */
export interface Criterion {
  readonly bound: RiskBound;
  readonly method?: MethodName | undefined;
  readonly loss?: LossName | undefined;
  /** A threshold for each answered class, all of whose risks are bounded at once. */
  readonly perClass?: boolean | undefined;
}

export function calibrateExit(
  exit: number,
  { tuning, proving }: CalibrationData,
  { bound, method = 'learn-then-test', loss = 'error', perClass = false }: Criterion,
): ExitCalibration {
  const temperature = fitTemperature(tuning);
  const domain = fitDomain(tuning, temperature);
  const judged = judge(proving, { temperature, domain, loss });
  const options: ChooseOptions = { ...bound, method, binary: losses[loss].binary };
  const found = chooseThreshold(judged, options);
  const byClass = perClass ? chooseByClass(judged, options, proving.classes) : undefined;
  const thresholds = byClass?.map(({ threshold }) => threshold);
  const curve = riskCoverage(judged);
  return {
    exit,
    temperature,
    threshold: found.threshold,
    ...(thresholds ? { thresholds } : {}),
    domain,
    method,
    loss,
    epsilon: bound.epsilon,
    // The other methods say nothing that holds with a known probability.
    delta: method === 'learn-then-test' ? bound.delta : 1,
    n: proving.labels.length,
    ...whyNothing(byClass ?? [found]),
    curve: thinned(
      curve.filter(({ threshold }) => threshold >= 0),
      curvePointsMax,
    ),
    metrics: {
      ...atThreshold(judged, found.threshold, thresholds, options),
      outOfDomain: judged.filter((o) => o.confidence === neverAnswered).length / judged.length,
      eceBefore: calibrationErrorOf(proving, 1),
      eceAfter: calibrationErrorOf(proving, temperature),
      aurc: areaUnder(curve),
      excessAurc: excessArea(curve),
    },
  };
}

/** The last exit has nobody to escalate to: its temperature only, and a threshold that everything passes. */
export function calibrateLastExit(exit: number, scored: Scored): ExitCalibration {
  return {
    exit,
    temperature: fitTemperature(scored),
    threshold: 0,
    method: 'none',
    epsilon: 1,
    delta: 0,
    n: scored.labels.length,
  };
}

export interface Judged extends Outcome {
  /** The class that the exit answers. */
  readonly index: number;
}

/** What answering each example at this exit would cost, and how sure the exit is of it. */
export function judge(
  observed: Observed,
  rule: {
    readonly temperature: number;
    readonly domain?: Domain | undefined;
    readonly loss: LossName;
  },
): Judged[] {
  const { temperature, domain, loss } = rule;
  return Array.from(observed.labels, (label, i) => {
    const logits = logitsAt(observed, i);
    const here = predict(logits, temperature);
    const whole = wholeAt(observed, i);
    assert(
      whole !== undefined || loss === 'error',
      `the loss ${loss} compares with the whole network`,
    );
    const seen = { logits, temperature, index: here.index, cut: cutAt(observed, i) };
    return {
      index: here.index,
      confidence: domain && !isInDomain(domain, seen) ? neverAnswered : here.confidence,
      loss: losses[loss].of({ here, whole: whole ? predict(whole) : here, label }),
    };
  });
}

/**
 * A threshold for each answered class, from that class's examples alone: with probability 1 − δ the risk within every
 * class is at most ε, all at once, since each sequence of tests has δ / classes (Bonferroni). Where a class has too few
 * examples for that, null: escalate it.
 */
function chooseByClass(
  judged: readonly Judged[],
  options: ChooseOptions,
  classes: number,
): readonly Threshold[] {
  return Array.from({ length: classes }, (_, c) => {
    const ofClass = judged.filter(({ index }) => index === c);
    return chooseThreshold(ofClass, { ...options, delta: options.delta / classes });
  });
}

/** Of an exit that answers nothing, whatever the class. */
function whyNothing(found: readonly Threshold[]): { readonly reason?: string } {
  const reasons = found.flatMap((each) => (each.threshold === null ? [each.reason] : []));
  const [reason] = reasons;
  if (reason === undefined || reasons.length < found.length) return {};
  return { reason: found.length > 1 ? `in every class, as in the first: ${reason}` : reason };
}

function atThreshold(
  judged: readonly Judged[],
  threshold: number | null,
  thresholds: readonly (number | null)[] | undefined,
  { method, binary, delta }: ChooseOptions,
) {
  const answered = judged.filter(({ confidence, index }) => {
    const limit = thresholds ? thresholds[index] : threshold;
    return limit !== null && limit !== undefined && confidence >= limit;
  });
  const loss = answered.reduce((sum, outcome) => sum + outcome.loss, 0);
  return {
    coverage: answered.length / judged.length,
    risk: loss / judged.length,
    ...(binary && method === 'learn-then-test'
      ? { riskBound: clopperPearson(loss, judged.length, delta).upper }
      : {}),
  };
}

function calibrationErrorOf(observed: Observed, temperature: number): number {
  const examples = Array.from(observed.labels, (label, i) => {
    const p = softmax(logitsAt(observed, i), temperature);
    const confidence = Math.max(...p);
    return { confidence, correct: p.indexOf(confidence) === label };
  });
  return expectedCalibrationError(examples);
}
