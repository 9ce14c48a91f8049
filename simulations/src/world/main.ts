// npm run sim -- --seeds 200 --from 0    runs many seeds; stops at the first that fails
// npm run sim -- --seed 17               replays one, with its trace
// npm run sim -- --bug deleteOnSend      plants a bug, which must be found
// npm run sim -- --disks sqlite          over the production stores instead of memory

import { parseArgs } from 'node:util';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type Outcome, partitionAndHeal } from './partition-and-heal.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { withSqliteDisks } from './sqlite-disks.ts';

interface Command {
  readonly from: number;
  readonly seeds: number;
  /** Only this one, with its trace. */
  readonly replay: boolean;
  readonly bug: PlantedBug | undefined;
  readonly disks: 'memory' | 'sqlite';
}

const bugs = Object.keys(plantedBugs) as PlantedBug[];
const exitCodes = { passed: 0, violated: 1, misused: 2 } as const;

const command = readCommand();
if (command.ok) {
  process.exitCode = (await run(command.value)) ? exitCodes.passed : exitCodes.violated;
} else {
  process.stderr.write(`${command.error.message}\n`);
  process.exitCode = exitCodes.misused;
}

/** Whether all seeds passed. */
async function run({ from, seeds, replay, bug, disks }: Command): Promise<boolean> {
  const startedAtMs = performance.now();
  const total = { steps: 0, appended: 0, answered: 0, deaths: 0, lost: 0, repeated: 0 };
  const progressEvery = Math.max(1, Math.floor(seeds / 10));
  for (let seed = from; seed < from + seeds; seed++) {
    const options = {
      ...(bug === undefined ? {} : { bug }),
      ...(replay ? { trace: print } : {}),
    };
    const outcome =
      disks === 'memory'
        ? await partitionAndHeal(seed, options)
        : await withSqliteDisks((sqlite) => partitionAndHeal(seed, { ...options, disks: sqlite }));
    for (const key of Object.keys(total) as (keyof typeof total)[])
      total[key] += outcome.counts[key];
    if (replay || outcome.violation !== undefined) print(describe(outcome));
    if (outcome.violation !== undefined) {
      const planted = bug === undefined ? '' : ` --bug ${bug}`;
      print(`replay: npm run sim -- --seed ${seed} --disks ${disks}${planted}`);
      return false;
    }
    const done = seed - from + 1;
    if (done % progressEvery === 0 && done < seeds) print(`${done} of ${seeds} seeds`);
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  print(
    `${seeds} passed in ${seconds.toFixed(1)} s: ${total.steps} steps, ${total.deaths} deaths, ` +
      `${total.lost} messages lost and ${total.repeated} repeated; ` +
      `${total.appended} ops appended, ${total.answered} answered, 0 lost, 0 applied twice`,
  );
  return true;
}

function readCommand(): Result<Command> {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '200' },
        from: { type: 'string', default: '0' },
        seed: { type: 'string' },
        bug: { type: 'string' },
        disks: { type: 'string', default: 'memory' },
      },
    });
    const replay = values.seed !== undefined;
    return ok({
      from: wholeNumber(values.seed ?? values.from),
      seeds: replay ? 1 : wholeNumber(values.seeds),
      replay,
      bug: values.bug === undefined ? undefined : oneOf(bugs, values.bug),
      disks: oneOf(['memory', 'sqlite'], values.disks),
    });
  } catch (thrown) {
    return err(failure('invalid_argument', messageOf(thrown)));
  }
}

function wholeNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new Error(`expected a whole number, got '${text}'`);
}

function oneOf<T extends string>(names: readonly T[], text: string): T {
  const name = names.find((known) => known === text);
  if (name !== undefined) return name;
  throw new Error(`expected one of ${names.join(', ')}, got '${text}'`);
}

function describe({ seed, violation, endedAtMs, counts }: Outcome): string {
  const verdict = violation === undefined ? 'passed' : `${violation.rule}: ${violation.message}`;
  return `seed ${seed}: ${verdict} (${(endedAtMs / 1000).toFixed(3)} s, ${JSON.stringify(counts)})`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
