// Replays the answers that a weak and a strong language model have given to GSM8K's test questions (lm-sys/RouteLLM): what
// our text router would have asked of whom. No question is scored by a router that has seen it.

import { readFileSync } from 'node:fs';
import { chooseThreshold } from '@skerry/models/calibration';
import {
  type AnsweredQuestion,
  calibrateTextRouter,
  createTextRouter,
  qualityLoss,
  type TextRouterOptions,
  trainTextRouter,
} from '@skerry/models/text-router';
import { assert, createRandom, type Random, shuffle } from '@skerry/shared';
import { parseCsv } from '../parse-csv.ts';
import {
  accuracyOf,
  averageGapRecovered,
  callsToRecover,
  type Ends,
  oracleCurve,
  type RoutingCurve,
  routingCurve,
} from '../routing-curve.ts';
import { mean } from '../statistics.ts';

export interface RoutingOptions {
  readonly file: string;
  readonly repeats: number;
}

export interface RoutingRow {
  readonly name: string;
  readonly gapRecovered: number;
  /** Over the repeats. */
  readonly deviation: number;
  readonly callsFor50: number;
  readonly callsFor80: number;
}

export interface BoundedRow {
  readonly epsilon: number;
  readonly strongShare: number;
  readonly accuracy: number;
  /** On the questions that test, so few that one repeat's says little. */
  readonly lossMean: number;
  /** How many strong calls a router that knows nothing makes under the same guarantee, from as many questions. */
  readonly strongShareByChance: number;
}

export interface Routing {
  readonly questions: number;
  readonly ends: Ends;
  readonly oracle: number;
  readonly oracleCalls: number;
  readonly rows: readonly RoutingRow[];
  readonly bounded: readonly BoundedRow[];
}

/** Rows of the file whose question lies nearly so in RouteLLM's training data: its contaminated_prompts.jsonl. */
const contaminated = new Set([0, 1, 2, 18, 67, 147, 233, 269, 285, 364, 530, 932]);
const folds = 10;
const delta = 0.1;
const epsilons = [0.2, 0.15, 0.1];

const featureSets: Readonly<Record<string, TextRouterOptions>> = {
  'our router, length only': { use: { lexical: [0], words: false } },
  'our router, lexical': { use: { lexical: 'all', words: false } },
  'our router, words': { use: { lexical: [], words: true } },
  'our router, lexical and words': {},
};

export async function routing({ file, repeats }: RoutingOptions): Promise<Routing> {
  const questions = readQuestions(file);
  const scored = questions.map((question) => ({ ...question, score: 0 }));
  const ends = {
    weak: accuracyOf(scored, 'weakRight'),
    strong: accuracyOf(scored, 'strongRight'),
  };
  const gained = mean(questions.map(qualityLoss));
  const byChance = Array.from(
    { length: 11 },
    (_, part) => ends.weak + (part / 10) * (ends.strong - ends.weak),
  );
  return {
    questions: questions.length,
    ends,
    oracle: ends.weak + gained,
    oracleCalls: gained,
    rows: [
      rowOf('random', [byChance], ends),
      ...Object.entries(featureSets).map(([name, options]) => {
        const random = createRandom(1);
        const curves = Array.from({ length: repeats }, () =>
          routingCurve(crossValidate(questions, options, random)),
        );
        return rowOf(name, curves, ends);
      }),
      rowOf('oracle', [oracleCurve(scored)], ends),
    ],
    bounded: boundedRows(questions, repeats),
  };
}

function readQuestions(file: string): AnsweredQuestion[] {
  const [header, ...rows] = parseCsv(readFileSync(file, 'utf8'));
  assert(header?.[0] === 'prompt', 'the first column is the question');
  return rows
    .filter((_, i) => !contaminated.has(i))
    .map(([text = '', weak, strong]) => ({
      text,
      weakRight: weak === 'True',
      strongRight: strong === 'True',
    }));
}

/** Each question scored by a router that was trained on the other folds. */
function crossValidate(
  questions: readonly AnsweredQuestion[],
  options: TextRouterOptions,
  random: Random,
) {
  const foldOf = drawnOrder(questions.length, random).map((place) => place % folds);
  const routers = Array.from({ length: folds }, (_, fold) => {
    const others = questions.filter((_, i) => foldOf[i] !== fold);
    return createTextRouter(trainTextRouter(others, options));
  });
  return questions.map((question, i) => ({
    ...question,
    score: 1 - (routers[foldOf[i] as number]?.route(question.text).confidence ?? 0),
  }));
}

function rowOf(name: string, curves: readonly RoutingCurve[], ends: Ends): RoutingRow {
  const gaps = curves.map((curve) => averageGapRecovered(curve, ends));
  const gapRecovered = mean(gaps);
  return {
    name,
    gapRecovered,
    deviation: Math.sqrt(mean(gaps.map((gap) => (gap - gapRecovered) ** 2))),
    callsFor50: mean(curves.map((curve) => callsToRecover(0.5, curve, ends))),
    callsFor80: mean(curves.map((curve) => callsToRecover(0.8, curve, ends))),
  };
}

/** Half of the questions train, a quarter calibrates, a quarter tests; anew for each repeat. */
function boundedRows(questions: readonly AnsweredQuestion[], repeats: number): BoundedRow[] {
  const random = createRandom(2);
  const tested = Array.from({ length: repeats * folds }, () => {
    const drawn = [...drawnOrder(questions.length, random)].map(
      (i) => questions[i] as AnsweredQuestion,
    );
    const half = Math.floor(questions.length / 2);
    const rest = Math.floor((3 * questions.length) / 4);
    const trained = trainTextRouter(drawn.slice(0, half));
    return epsilons.map((epsilon) => {
      const bound = { epsilon, delta, method: 'learn-then-test' } as const;
      const { weights } = calibrateTextRouter(trained, drawn.slice(half, rest), bound);
      const router = createTextRouter(weights);
      const blind = drawn.slice(half, rest).map((question) => ({
        confidence: random.next(),
        loss: qualityLoss(question),
      }));
      const byChance = chooseThreshold(blind, { ...bound, binary: true });
      const routed = drawn.slice(rest).map((question) => {
        const { to } = router.route(question.text);
        const right = to === 'weak' ? question.weakRight : question.strongRight;
        return { strong: to === 'strong', right, loss: to === 'weak' ? qualityLoss(question) : 0 };
      });
      return {
        strongShare: mean(routed.map(({ strong }) => Number(strong))),
        accuracy: mean(routed.map(({ right }) => Number(right))),
        strongShareByChance: byChance.threshold ?? 1,
        loss: mean(routed.map((each) => each.loss)),
      };
    });
  });
  return epsilons.map((epsilon, at) => {
    const of = tested.map((each) => each[at] as (typeof each)[number]);
    return {
      epsilon,
      strongShare: mean(of.map(({ strongShare }) => strongShare)),
      accuracy: mean(of.map(({ accuracy }) => accuracy)),
      lossMean: mean(of.map(({ loss }) => loss)),
      strongShareByChance: mean(of.map((each) => each.strongShareByChance)),
    };
  });
}

const drawnOrder = (count: number, random: Random): Uint32Array =>
  shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    random,
  );
