// npm run sim -- --seeds 200 --from 0    runs many seeds; stops at the first that fails
// npm run sim -- --seed 17               replays one, with its trace
// npm run sim -- --bug deleteOnSend      plants a bug, which must be found

import { parseArgs } from 'node:util';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type Outcome, partitionAndHeal } from './partition-and-heal.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';

interface Command {
  readonly from: number;
  readonly seeds: number;
  /** Only this one, with its trace. */
  readonly replay: boolean;
  readonly bug: PlantedBug | undefined;
}

const exitCodes = { passed: 0, violated: 1, misused: 2 } as const;

const command = readCommand();
if (command.ok) {
  process.exitCode = (await run(command.value)) ? exitCodes.passed : exitCodes.violated;
} else {
  process.stderr.write(`${command.error.message}\n`);
  process.exitCode = exitCodes.misused;
}

/** Whether all seeds passed. */
async function run({ from, seeds, replay, bug }: Command): Promise<boolean> {
  const startedAtMs = performance.now();
  const total = { steps: 0, appended: 0, answered: 0, deaths: 0, lost: 0, repeated: 0 };
  const progressEvery = Math.max(1, Math.floor(seeds / 10));
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await partitionAndHeal(seed, {
      ...(bug === undefined ? {} : { bug }),
      ...(replay ? { trace: print } : {}),
    });
    for (const key of Object.keys(total) as (keyof typeof total)[])
      total[key] += outcome.counts[key];
    if (replay || outcome.violation !== undefined) print(describe(outcome));
    if (outcome.violation !== undefined) {
      print(`replay: npm run sim -- --seed ${seed}${bug === undefined ? '' : ` --bug ${bug}`}`);
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
      },
    });
    const replay = values.seed !== undefined;
    return ok({
      from: wholeNumber(values.seed ?? values.from),
      seeds: replay ? 1 : wholeNumber(values.seeds),
      replay,
      bug: plantedBug(values.bug),
    });
  } catch (thrown) {
    return err(failure('invalid_argument', messageOf(thrown)));
  }
}

function wholeNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new Error(`expected a whole number, got '${text}'`);
}

function plantedBug(name: string | undefined): PlantedBug | undefined {
  const names = Object.keys(plantedBugs) as PlantedBug[];
  const bug = names.find((known) => known === name);
  if (name === undefined || bug !== undefined) return bug;
  throw new Error(`expected a bug (${names.join(', ')}), got '${name}'`);
}

function describe({ seed, violation, endedAtMs, counts }: Outcome): string {
  const verdict = violation === undefined ? 'passed' : `${violation.rule}: ${violation.message}`;
  return `seed ${seed}: ${verdict} (${(endedAtMs / 1000).toFixed(3)} s, ${JSON.stringify(counts)})`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
