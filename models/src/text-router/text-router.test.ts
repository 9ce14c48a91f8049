import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { calibrateTextRouter } from './calibrate-text-router.ts';
import { lexicalCount, textFeatures, wordBuckets } from './text-features.ts';
import { createTextRouter, textRouterSchema } from './text-router.ts';
import { type AnsweredQuestion, qualityLoss, trainTextRouter } from './train-text-router.ts';

/** The weak model fails at long questions and at those about tides; the strong one hardly ever does. */
function draw(count: number, seed: number): AnsweredQuestion[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    const steps = 1 + random.below(8);
    const aboutTides = random.next() < 0.2;
    const text = `${'Anna buys 3 pots and sells 2. '.repeat(steps)}How many ${aboutTides ? 'tides' : 'pots'} are there?`;
    const weakRight = random.next() > (aboutTides ? 0.9 : steps > 5 ? 0.6 : 0.02);
    return { text, weakRight, strongRight: random.next() > 0.02 };
  });
}

const training = draw(800, 1);
const trained = trainTextRouter(training);
const bound = { epsilon: 0.05, delta: 0.1, method: 'learn-then-test' } as const;

describe('a text router', () => {
  it('is less confident in the weak model where it fails, by length and by words', () => {
    const router = createTextRouter(trained);
    const [short, long] = [1, 8].map((steps) => 'Anna buys 3 pots and sells 2. '.repeat(steps));
    const easy = router.route(`${short}How many pots are there?`).confidence;
    expect(easy).toBeGreaterThan(0.8);
    expect(router.route(`${long}How many pots are there?`).confidence).toBeLessThan(easy - 0.2);
    expect(router.route(`${short}How many tides are there?`).confidence).toBeLessThan(easy - 0.2);
  });

  it('asks the strong model for everything until a calibration says otherwise', () => {
    const router = createTextRouter(trained);
    expect(training.slice(0, 50).every(({ text }) => router.route(text).to === 'strong')).toBe(
      true,
    );
  });

  it('keeps its bound on questions that neither trained nor calibrated it', () => {
    const { weights, found } = calibrateTextRouter(trained, draw(600, 2), bound);
    expect(found.threshold).not.toBeNull();
    const router = createTextRouter(weights);
    const fresh = draw(4000, 3);
    const toWeak = fresh.filter(({ text }) => router.route(text).to === 'weak');
    const lost = toWeak.reduce((sum, question) => sum + qualityLoss(question), 0);
    expect(lost / fresh.length).toBeLessThanOrEqual(bound.epsilon);
    expect(toWeak.length / fresh.length).toBeGreaterThan(0.4);
  });

  it('asks the strong model for everything where the questions are too few, and says why', () => {
    const { weights, found } = calibrateTextRouter(trained, draw(40, 2), bound);
    expect(weights.threshold).toBeNull();
    expect(found).toMatchObject({ reason: expect.stringContaining('45 can') });
  });

  it('is the same from the same questions, and survives its schema', () => {
    expect(trainTextRouter(training)).toEqual(trained);
    expect(textRouterSchema.parse(JSON.parse(JSON.stringify(trained)))).toEqual(trained);
    expect(textRouterSchema.safeParse({ ...trained, words: [1] }).success).toBe(false);
  });

  it('lets only those features weigh that it may use', () => {
    const length = trainTextRouter(training, { use: { lexical: [0], words: false } });
    expect(length.words.every((weight) => weight === 0)).toBe(true);
    expect(length.lexical.flatMap((weight, i) => (weight === 0 ? [] : [i]))).toEqual([0]);
  });
});

describe('the features of a text', () => {
  it.each([
    '',
    '   ',
    '?!',
    '1,000,000.5',
    'Wie viele Töpfe?',
    '数',
    '\u0000',
    'x'.repeat(100_000),
  ])('are finite and of one size: %j', (text) => {
    const { lexical, words } = textFeatures(text);
    expect(lexical.length).toBe(lexicalCount);
    expect(lexical.every(Number.isFinite)).toBe(true);
    expect(words.every((bucket) => bucket >= 0 && bucket < wordBuckets)).toBe(true);
  });

  it('count each word once, and no number by its value', () => {
    expect(textFeatures('7 pots, 12 pots').words).toEqual(textFeatures('3 pots').words);
  });
});
