// models route QUESTIONS: a text router from questions that a weak model and a strong one have both answered, with the
// threshold from which the weak one may be trusted; what an agent takes as --text-router.

import { readFile, writeFile } from 'node:fs/promises';
import {
  createRandom,
  describeIssues,
  err,
  failure,
  messageOf,
  ok,
  parseJson,
  type Result,
  shuffle,
} from '@skerry/shared';
import { z } from 'zod';
import { methodNames, methods } from '../calibration/choose-threshold.ts';
import { calibrateTextRouter } from '../text-router/calibrate-text-router.ts';
import { createTextRouter } from '../text-router/text-router.ts';
import {
  type AnsweredQuestion,
  qualityLoss,
  trainTextRouter,
} from '../text-router/train-text-router.ts';
import { defineCommand, percent, table } from './command.ts';

const shareSchema = z.coerce.number().gt(0).lt(1);

const schema = z.object({
  out: z.string().min(1).describe('the file'),
  epsilon: shareSchema
    .default(0.1)
    .describe(
      'of all questions, those that may go to the weak model where only the strong is right',
    ),
  delta: shareSchema.default(0.1).describe('the probability that there are more all the same'),
  method: z.enum(methodNames).default('learn-then-test').describe(methodNames.join(', ')),
  seed: z.coerce.number().int().min(0).default(1).describe('draws what trains, proves and tests'),
});

const questionSchema = z.strictObject({
  text: z.string().min(1),
  weakRight: z.boolean(),
  strongRight: z.boolean(),
});

const questionsMax = 1_000_000;
/** A half trains, a quarter proves the threshold, and what is left tests. */
const trainingShare = 0.5;
const provingShare = 0.25;

export const route = defineCommand('QUESTIONS.jsonl', schema, async (path, options) => {
  const questions = await readQuestions(path);
  if (!questions.ok) return questions;
  const [training, proving, test] = drawParts(questions.value, options.seed);
  if (training.length === 0 || proving.length === 0 || test.length === 0)
    return err(failure('invalid_config', `${path}: too few questions to split in three`));
  const { weights, found } = calibrateTextRouter(trainTextRouter(training), proving, options);
  try {
    await writeFile(options.out, `${JSON.stringify(weights)}\n`);
  } catch (thrown) {
    return err(failure('invalid_config', messageOf(thrown)));
  }
  const { epsilon, delta, method } = options;
  const rows = [
    ['threshold', weights.threshold?.toFixed(5) ?? 'ask the strong model everything'],
    ['proven on', `${proving.length} questions`],
    ...testRows(test, createTextRouter(weights)),
  ];
  return ok(
    [
      table(rows),
      `risk: the weak model is asked where only the strong one is right; ε = ${epsilon}, δ = ${delta}, ${method}: ${methods[method].guarantee}`,
      ...(found.threshold === null ? [found.reason] : []),
    ].join('\n'),
  );
});

async function readQuestions(path: string): Promise<Result<readonly AnsweredQuestion[]>> {
  const questions: AnsweredQuestion[] = [];
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    return err(failure('invalid_config', messageOf(thrown)));
  }
  for (const [place, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const where = `${path}, line ${place + 1}`;
    const json = parseJson(new TextEncoder().encode(line), where, 'invalid_config');
    if (!json.ok) return json;
    const read = questionSchema.safeParse(json.value);
    if (!read.success)
      return err(failure('invalid_config', `${where}: ${describeIssues(read.error)}`));
    if (questions.push(read.data) > questionsMax)
      return err(failure('too_large', `${path}: more than ${questionsMax} questions`));
  }
  return ok(questions);
}

function drawParts(questions: readonly AnsweredQuestion[], seed: number) {
  const order = Uint32Array.from(questions, (_, place) => place);
  const drawn = Array.from(
    shuffle(order, createRandom(seed)),
    (place) => questions[place] as AnsweredQuestion,
  );
  const half = Math.floor(questions.length * trainingShare);
  const rest = Math.floor(questions.length * (trainingShare + provingShare));
  return [drawn.slice(0, half), drawn.slice(half, rest), drawn.slice(rest)] as const;
}

/** On questions that neither trained the router nor proved its threshold. */
function testRows(
  test: readonly AnsweredQuestion[],
  router: ReturnType<typeof createTextRouter>,
): string[][] {
  const shareOf = (is: (question: AnsweredQuestion) => boolean): string =>
    percent(test.filter(is).length / test.length);
  const isWeak = ({ text }: AnsweredQuestion): boolean => router.route(text).to === 'weak';
  return [
    ['in the test', `${test.length} questions`],
    ['  the weak model is asked', shareOf(isWeak)],
    ['  risk', shareOf((question) => isWeak(question) && qualityLoss(question) > 0)],
    ['  right, as routed', shareOf((q) => (isWeak(q) ? q.weakRight : q.strongRight))],
    ['  right, the weak model alone', shareOf(({ weakRight }) => weakRight)],
    ['  right, the strong model alone', shareOf(({ strongRight }) => strongRight)],
  ];
}
