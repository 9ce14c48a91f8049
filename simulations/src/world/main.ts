// npm run sim -- --seeds 200 --from 0    runs many seeds; stops at the first that fails
// npm run sim -- --seed 17               replays one, with its trace
// npm run sim -- --bug deleteOnSend      plants a bug, which must be found
// npm run sim -- --disks sqlite          over the production stores instead of memory
// npm run sim -- --site --seeds 50       a site with its relay; takes --from, --seed and --bug too
// npm run sim -- --catch-up              thirty days offline, then 10 000 changes at once

import { parseArgs } from 'node:util';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { catchUp } from './catch-up.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { shrink } from './shrink.ts';
import { type SiteBug, siteBugs } from './site-device.ts';
import { siteStorm } from './site-storm.ts';
import { withSqliteDisks } from './sqlite-disks.ts';
import { type Outcome, type RunOptions, storm } from './storm.ts';
import { tell } from './weather.ts';

interface Command {
  /** A site with its relay, in place of devices and a coordinator. */
  readonly site: boolean;
  readonly from: number;
  readonly seeds: number;
  /** Only this one, with its trace. */
  readonly replay: boolean;
  readonly bug: PlantedBug | SiteBug | undefined;
  readonly disks: 'memory' | 'sqlite';
}

const bugs = Object.keys(plantedBugs) as PlantedBug[];
const shrinkRunsMax = 300;
const nothing = {
  steps: 0,
  appended: 0,
  answered: 0,
  deaths: 0,
  lost: 0,
  repeated: 0,
  damaged: 0,
  restored: 0,
  swapped: 0,
  quarantined: 0,
};
const exitCodes = { passed: 0, violated: 1, misused: 2 } as const;

const command = readCommand();
if (process.argv.includes('--catch-up')) {
  await catchUp(print);
} else if (command.ok) {
  const { value } = command;
  process.exitCode = (await (value.site ? runSite(value) : run(value)))
    ? exitCodes.passed
    : exitCodes.violated;
} else {
  process.stderr.write(`${command.error.message}\n`);
  process.exitCode = exitCodes.misused;
}

/** Whether all seeds passed. */
async function runSite({ from, seeds, bug }: Command): Promise<boolean> {
  for (let seed = from; seed < from + seeds; seed++) {
    const { violation, counts } = await siteStorm(
      seed,
      siteBugs.find((each) => each === bug),
    );
    const verdict = violation === undefined ? 'passed' : `${violation.rule}: ${violation.detail}`;
    print(`seed ${seed}: ${verdict} (${JSON.stringify(counts)})`);
    if (violation !== undefined) return false;
  }
  return true;
}

/** Whether all seeds passed. */
async function run({ from, seeds, replay, bug: planted, disks }: Command): Promise<boolean> {
  const bug = bugs.find((each) => each === planted);
  const startedAtMs = performance.now();
  const total = { ...nothing };
  const progressEvery = Math.max(1, Math.floor(seeds / 10));
  for (let seed = from; seed < from + seeds; seed++) {
    const options = {
      ...(bug === undefined ? {} : { bug }),
      ...(replay ? { trace: print } : {}),
    };
    const rerun = (more: RunOptions): Promise<Outcome> =>
      disks === 'memory'
        ? storm(seed, { ...options, ...more })
        : withSqliteDisks((sqlite) => storm(seed, { ...options, ...more, disks: sqlite }));
    const outcome = await rerun({});
    for (const key of Object.keys(total) as (keyof typeof total)[])
      total[key] += outcome.counts[key];
    if (replay || outcome.violation !== undefined) print(describe(outcome));
    if (outcome.violation !== undefined) {
      const withBug = bug === undefined ? '' : ` --bug ${bug}`;
      await printShortest(outcome, rerun);
      print(`replay: npm run sim -- --seed ${seed} --disks ${disks}${withBug}`);
      return false;
    }
    const done = seed - from + 1;
    if (done % progressEvery === 0 && done < seeds) print(`${done} of ${seeds} seeds`);
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  print(
    `${seeds} passed in ${seconds.toFixed(1)} s: ${total.steps} steps, ${total.deaths} deaths, ` +
      `${total.lost} messages lost, ${total.repeated} repeated and ${total.damaged} damaged; ` +
      `${total.restored} disks restored, ${total.swapped} swapped; ${total.quarantined} ops in quarantine; ` +
      `${total.appended} ops appended, ${total.answered} answered, 0 lost, 0 applied twice`,
  );
  return true;
}

/** What it takes for the seed to fail, and what happens then. */
async function printShortest(
  failed: Outcome,
  rerun: (more: RunOptions) => Promise<Outcome>,
): Promise<void> {
  const shortest = await shrink(
    failed,
    (without) => rerun({ without, trace: () => {} }),
    shrinkRunsMax,
  );
  const { size } = shortest.happenings;
  print(`shortest found: ${size} of ${failed.happenings.size} happenings`);
  for (const happening of shortest.happenings.values()) print(`  ${tell(happening)}`);
  const without = new Set([...failed.happenings.keys()].filter((p) => !shortest.happenings.has(p)));
  await rerun({ without, trace: print });
}

function readCommand(): Result<Command> {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '200' },
        from: { type: 'string', default: '0' },
        seed: { type: 'string' },
        bug: { type: 'string' },
        'catch-up': { type: 'boolean' },
        disks: { type: 'string', default: 'memory' },
        site: { type: 'boolean', default: false },
      },
    });
    const replay = values.seed !== undefined;
    return ok({
      from: wholeNumber(values.seed ?? values.from),
      seeds: replay ? 1 : wholeNumber(values.seeds),
      replay,
      site: values.site,
      bug:
        values.bug === undefined
          ? undefined
          : oneOf<PlantedBug | SiteBug>(values.site ? siteBugs : bugs, values.bug),
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
