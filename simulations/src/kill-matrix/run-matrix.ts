// Kills a device before, after and within everything that it does to its disk, once in a world, and looks at it after each
// start: does a model answer, is it one that somebody signed, and does it say what that one says? And does it come to
// where it should in the end?

import { createUpdateWorld, type UpdateLife, type UpdateWorld } from '@skerry/edge-agent/testing';
import { messageOf } from '@skerry/shared';
import type { Scenario } from './scenarios.ts';

export interface Verdict {
  /** The process died this often. */
  readonly deaths: number;
  /** Starts, or questions, without a model that works. */
  readonly withoutModel: number;
  /** Answers of a bundle that nobody had signed, or that were not what it says. */
  readonly unsigned: number;
  /** Why it did not end as it must. */
  readonly failed?: string;
  /** Where it could have died. */
  readonly points: readonly string[];
}

const livesMax = 6;

/** @param dieAt the point at which the process dies, counted from where the scenario begins */
export async function runScenario(scenario: Scenario, dieAt?: number): Promise<Verdict> {
  const world = await createUpdateWorld();
  const points: string[] = [];
  const seen = { deaths: 0, withoutModel: 0, unsigned: 0 };
  try {
    let life = await begin(world, seen);
    const { act, ended } = await scenario.begin(world, life);
    if (!life.alive()) life = await begin(world, seen);
    world.set.dies = (point) => points.push(point) - 1 === dieAt;
    await act(life);
    for (let lives = 0; lives < livesMax; lives++) {
      await world.until(life, async () => {
        await look(world, life, seen);
        return life.alive() && (await ended(life));
      });
      if (life.alive()) return { ...seen, points };
      seen.deaths += 1;
      life = await begin(world, seen);
    }
    return { ...seen, points, failed: `died ${livesMax} times` };
  } catch (thrown) {
    return { ...seen, points, failed: messageOf(thrown) };
  } finally {
    await world.close();
  }
}

type Seen = { deaths: number; withoutModel: number; unsigned: number };

async function begin(world: UpdateWorld, seen: Seen): Promise<UpdateLife> {
  const started = await world.start();
  if (!started.ok) {
    seen.withoutModel += 1;
    throw new Error(started.error.message);
  }
  // It may have died while it started; then there is nobody to ask.
  if (started.value.alive()) await look(world, started.value, seen);
  return started.value;
}

async function look(world: UpdateWorld, life: UpdateLife, seen: Seen): Promise<void> {
  const answer = await life.ask();
  if (answer === undefined) {
    if (life.alive()) seen.withoutModel += 1;
    return;
  }
  const expected = world.signed.get(answer.bundle);
  if (expected === undefined || answer.logits[0] !== expected) seen.unsigned += 1;
}

export interface Row extends Omit<Verdict, 'points' | 'failed'> {
  readonly scenario: string;
  readonly point: string;
  readonly worlds: number;
  readonly failures: readonly string[];
}

/** Of one scenario: a row for each kind of point. @param every takes one point of so many */
export async function runKills(scenario: Scenario, every = 1): Promise<readonly Row[]> {
  const whole = await runScenario(scenario);
  const rows = new Map<string, Row>();
  const add = (point: string, verdict: Verdict): void => {
    const row = rows.get(point) ?? emptyRow(scenario.name, point);
    rows.set(point, {
      ...row,
      worlds: row.worlds + 1,
      deaths: row.deaths + verdict.deaths,
      withoutModel: row.withoutModel + verdict.withoutModel,
      unsigned: row.unsigned + verdict.unsigned,
      failures: verdict.failed === undefined ? row.failures : [...row.failures, verdict.failed],
    });
  };
  add('not killed', whole);
  for (const [at, point] of whole.points.entries())
    if (at % every === 0) add(point, await runScenario(scenario, at));
  return [...rows.values()];
}

export async function runFault(scenario: Scenario): Promise<Row> {
  const verdict = await runScenario(scenario);
  const { deaths, withoutModel, unsigned, failed } = verdict;
  const failures = failed === undefined ? [] : [failed];
  return {
    ...emptyRow('fault', scenario.name),
    worlds: 1,
    deaths,
    withoutModel,
    unsigned,
    failures,
  };
}

const emptyRow = (scenario: string, point: string): Row => ({
  scenario,
  point,
  worlds: 0,
  deaths: 0,
  withoutModel: 0,
  unsigned: 0,
  failures: [],
});
