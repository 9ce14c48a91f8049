// npm run fleet-sim                        20 000 devices, every scenario and every planted bug
// npm run fleet-sim -- --devices 2000 --seed 7
// npm run fleet-sim -- --bug silenceIsSuccess
// npm run fleet-sim -- --devices 4000 --seeds 50    how often each goes well, and after how many devices

import { parseArgs } from 'node:util';
import { type FleetBugName, fleetBugs } from './fleet-bugs.ts';
import {
  devicesToCatch,
  type FleetResult,
  type FleetSize,
  findsBug,
  goodVersion,
  goodVersionPasses,
  lateFault,
  massReturn,
  threePointsWorse,
} from './fleet-scenarios.ts';

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    bug: { type: 'string' },
    seeds: { type: 'string' },
  },
});
const devices = Number(values.devices);
const seed = Number(values.seed);
const size: FleetSize = {
  devices,
  seed,
  canary: Math.min(400, Math.ceil(devices / 5)),
  herdPerMinute: Math.max(20, Math.ceil(devices / 50)),
  executedMax: 300,
};
const bugNames = (Object.keys(fleetBugs) as FleetBugName[]).filter(
  (name) => values.bug === undefined || name === values.bug,
);
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

let failed = 0;
if (values.seeds === undefined) await showAll();
else await showPower(Number(values.seeds));
process.exitCode = failed === 0 ? 0 : 1;

function show({ name, passed, lines }: FleetResult): void {
  if (!passed) failed++;
  print(`\n${name}: ${passed ? 'passed' : 'FAILED'}`);
  for (const line of lines) print(`  ${line}`);
}

async function showAll(): Promise<void> {
  if (bugNames.length === 0) {
    print(`there are ${Object.keys(fleetBugs).join(', ')}`);
    failed++;
  }
  if (values.bug === undefined) {
    print(`${devices} devices, 20 % offline, 2 % flaky, seed ${seed}`);
    for (const scenario of [goodVersion, threePointsWorse, lateFault, massReturn])
      show(await scenario(size));
  }
  for (const bug of bugNames) {
    const violation = await findsBug({
      devices: Math.min(devices, 500),
      seed,
      canary: 100,
      herdPerMinute: 20,
      offlineShare: 0.2,
      flakyShare: 0.04,
      lateJoiners: 20,
      bug,
    });
    const found = violation?.rule === fleetBugs[bug].rule;
    if (!found) failed++;
    print(
      `planted ${bug}: ${violation === undefined ? 'NOT FOUND' : `${violation.rule}: ${violation.detail}`}`,
    );
  }
}

async function showPower(seeds: number): Promise<void> {
  const caught: number[] = [];
  let passed = 0;
  for (let i = 0; i < seeds; i++) {
    const executed = await devicesToCatch({ ...size, seed: seed + i });
    if (executed !== undefined) caught.push(executed);
    if (await goodVersionPasses({ ...size, seed: seed + i })) passed++;
  }
  caught.sort((a, b) => a - b);
  const at = (share: number): number => caught[Math.ceil(share * caught.length) - 1] ?? 0;
  print(
    `three points less accuracy, a canary of ${size.canary}: caught in ${caught.length} of ${seeds} fleets; executed devices p50 ${at(0.5)}, p90 ${at(0.9)}, most ${at(1)}`,
  );
  print(`a version as good as the one before: completed in ${passed} of ${seeds} fleets`);
  if (at(1) > size.executedMax || caught.length < seeds) failed++;
}
