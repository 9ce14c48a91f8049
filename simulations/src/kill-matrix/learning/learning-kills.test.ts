// One moment of `npm run kill-matrix -- --learn`: the cost of a private round is written down, and nothing else of it.

import { expect, it } from 'vitest';
import { learnScenarios } from './learn-scenarios.ts';
import { playLearnWorld } from './run-learn-kills.ts';

it('[RND8] [PRV17] a coordinator killed with SIGKILL when the cost of a round is durable ends with the same weights', {
  timeout: 60_000,
}, async () => {
  const scenario = learnScenarios.find(({ name }) => name === 'private');
  if (scenario === undefined) throw new Error('no such scenario');
  const { evaluate: _, ...plan } = scenario.plan;
  const short = { ...scenario, plan: { ...plan, rounds: 1 } };
  const whole = await playLearnWorld(short);
  expect(whole).toMatchObject({ deaths: 0, failures: [] });
  const at = whole.commits.indexOf('privacy-committed');
  const killed = await playLearnWorld(short, (life) =>
    life === 0 ? { at, when: 'after' } : undefined,
  );
  expect(killed).toMatchObject({ deaths: 1, failures: [], weights: whole.weights });
});
