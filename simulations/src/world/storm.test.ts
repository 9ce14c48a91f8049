import { beforeAll, describe, expect, it } from 'vitest';
import { catchUp } from './catch-up.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { shrink } from './shrink.ts';
import { withSqliteDisks } from './sqlite-disks.ts';
import { type Outcome, storm } from './storm.ts';

const seeds = 50;
/** A planted bug must be found within so many. */
const bugSeedsMax = 200;

async function firstFailure(bug: PlantedBug): Promise<Outcome | undefined> {
  for (let seed = 0; seed < bugSeedsMax; seed++) {
    const outcome = await storm(seed, { bug });
    if (outcome.violation !== undefined) return outcome;
  }
  return undefined;
}

describe('storm', () => {
  const outcomes: Outcome[] = [];
  beforeAll(async () => {
    for (let seed = 0; seed < seeds; seed++) outcomes.push(await storm(seed));
  });
  const sum = (key: keyof Outcome['counts']): number =>
    outcomes.reduce((total, { counts }) => total + counts[key], 0);
  const violations = (rule: string) =>
    outcomes
      .filter(({ violation }) => violation?.rule === rule)
      .map(({ seed, violation }) => [seed, violation]);

  it('[NEV1] loses no op', () => expect(violations('NEV1')).toEqual([]));
  it('[NEV2] accepts no op twice', () => expect(violations('NEV2')).toEqual([]));
  it('[NEV3] answers each escalation exactly once', () => expect(violations('NEV3')).toEqual([]));
  it('[NEV4] keeps every queue within its bound', () => expect(violations('NEV4')).toEqual([]));
  it('[NEV5] moves no cursor back', () => expect(violations('NEV5')).toEqual([]));
  it('[NEV6] comes to rest', () => expect(violations('NEV6')).toEqual([]));

  it('meets every fault that it is about', () => {
    for (const key of Object.keys(outcomes[0]?.counts ?? {}) as (keyof Outcome['counts'])[])
      expect(sum(key), key).toBeGreaterThan(seeds / 4);
  });

  it('replays a seed exactly', async () => {
    const traceOf = async (seed: number): Promise<string[]> => {
      const lines: string[] = [];
      await storm(seed, { trace: (line) => lines.push(line) });
      return lines;
    };
    expect(await traceOf(3)).toEqual(await traceOf(3));
  });

  it('passes over the production stores too, and replays there', async () => {
    const overSqlite = (seed: number): Promise<Outcome> =>
      withSqliteDisks((disks) => storm(seed, { disks }));
    const [first, again, other] = [await overSqlite(0), await overSqlite(0), await overSqlite(1)];
    expect([first.violation, other.violation]).toEqual([undefined, undefined]);
    expect(again).toEqual(first);
  });
});

// Seeds that once failed, each named after what was wrong.
describe('seeds that failed', () => {
  it('14: of two poison ops in one reply, each reset the count of the other’s tries', async () => {
    expect((await storm(14)).violation).toBeUndefined();
  });
});

describe('planted bugs', () => {
  it.each(Object.keys(plantedBugs) as PlantedBug[])('%s is found', async (bug) => {
    const found = await firstFailure(bug);
    expect(found?.violation?.rule).toBe(plantedBugs[bug].rule);
  });

  it('a failing run is made shorter, and fails alike', async () => {
    const found = (await firstFailure('deleteOnSend')) as Outcome;
    const run = (without: ReadonlySet<number>) =>
      storm(found.seed, { bug: 'deleteOnSend', without });
    const shortest = await shrink(found, run, 100);
    expect(shortest.violation?.rule).toBe('NEV1');
    expect(shortest.happenings.size).toBeLessThan(found.happenings.size / 4);
  });
});

it('thirty days offline are caught up in bounded round trips', async () => {
  const caughtUp = await catchUp(() => {});
  expect(caughtUp.changes).toBe(10_000);
  // 256 ops in each, and the Exchange that the connection begins with.
  expect(caughtUp.roundTrips).toBeLessThanOrEqual(Math.ceil(10_000 / 256) + 2);
}, 60_000);
