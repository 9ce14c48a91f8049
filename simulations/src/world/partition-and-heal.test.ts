import { beforeAll, describe, expect, it } from 'vitest';
import { type Outcome, partitionAndHeal } from './partition-and-heal.ts';
import { withSqliteDisks } from './sqlite-disks.ts';

const seeds = 50;
/** The planted bug must be found within so many. */
const bugSeedsMax = 20;

describe('partition and heal', () => {
  const outcomes: Outcome[] = [];
  beforeAll(async () => {
    for (let seed = 0; seed < seeds; seed++) outcomes.push(await partitionAndHeal(seed));
  });
  const sum = (key: keyof Outcome['counts']): number =>
    outcomes.reduce((total, { counts }) => total + counts[key], 0);
  const violations = (rule: string) =>
    outcomes
      .filter(({ violation }) => violation?.rule === rule)
      .map(({ seed, violation }) => [seed, violation]);

  it('[NEV1] loses no op', () => expect(violations('NEV1')).toEqual([]));
  it('[NEV2] accepts no op twice', () => expect(violations('NEV2')).toEqual([]));
  it('[NEV3] answers each escalation exactly once', () => {
    expect(violations('NEV3')).toEqual([]);
    expect(sum('answered')).toBe(sum('appended'));
  });
  it('[NEV4] keeps every queue within its bound', () => expect(violations('NEV4')).toEqual([]));
  it('[NEV5] moves no cursor back', () => expect(violations('NEV5')).toEqual([]));
  it('[NEV6] comes to rest', () => expect(violations('NEV6')).toEqual([]));

  it('meets every fault that it is about', () => {
    for (const key of ['appended', 'lost', 'repeated', 'deaths'] as const)
      expect(sum(key), key).toBeGreaterThan(seeds);
    expect(sum('asked'), 'some were refused by a full outbox').toBeGreaterThan(sum('appended'));
  });

  it('replays a seed exactly', async () => {
    const traceOf = async (seed: number): Promise<string[]> => {
      const lines: string[] = [];
      await partitionAndHeal(seed, { trace: (line) => lines.push(line) });
      return lines;
    };
    expect(await traceOf(3)).toEqual(await traceOf(3));
  });

  it('passes over the production stores too, and replays there', async () => {
    const overSqlite = (seed: number): Promise<Outcome> =>
      withSqliteDisks((disks) => partitionAndHeal(seed, { disks }));
    const [first, again, other] = [await overSqlite(0), await overSqlite(0), await overSqlite(1)];
    expect([first.violation, other.violation]).toEqual([undefined, undefined]);
    expect(again).toEqual(first);
  });

  it('finds ops that are forgotten when sent instead of when acknowledged', async () => {
    let found: Outcome | undefined;
    for (let seed = 0; found?.violation === undefined && seed < bugSeedsMax; seed++)
      found = await partitionAndHeal(seed, { bug: 'deleteOnSend' });
    expect(found?.violation?.rule).toBe('NEV1');
  });
});
