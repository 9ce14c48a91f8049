// The masked demo: five agents with certificates train over MQTT with TLS, and the coordinator learns the sum of their updates
// and nothing of any one. One is killed in the midst of a round: its masks are taken off, and the round goes on without it.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openSecureLink } from '../demo/device-link.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { agentNodeFlags, factoryBundle } from '../fleet-update/open-fleet.ts';
import { teach } from './exam.ts';
import { askMasked, learnPrivately } from './masked-sequel.ts';
import type { LearnPromise } from './report.ts';
import { type RunView, readRunView } from './run-view.ts';
import { dealDigits } from './tilted-digits.ts';

export interface MaskedStoryOptions {
  readonly devices: number;
  /** Labels of each. */
  readonly seen: number;
  onEvent(text: string): void;
}

const run = 'masked';
const rounds = 2;
const victim = 'device-3';
const runTimeoutMs = 5 * 60_000;
const lookEveryMs = 100;
const over = ['completed', 'failed', 'stopped'];
/** What is run is what is shipped. */
const bin = new URL('../../../cloud-coordinator/bin/skerry', import.meta.url).pathname;

interface Told {
  readonly device: string;
  readonly used: boolean;
  readonly reason?: string;
}

export async function runMaskedStory(
  options: MaskedStoryOptions,
): Promise<readonly LearnPromise[]> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-masked-'));
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    return await play(options, folder, closers);
  } finally {
    for (const closer of closers.reverse()) await closer();
  }
}

async function play(
  { devices: count, seen, onEvent }: MaskedStoryOptions,
  folder: string,
  closers: (() => Promise<unknown>)[],
): Promise<readonly LearnPromise[]> {
  const dataDir = join(folder, 'coordinator');
  const token = randomBytes(32).toString('hex');
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1_000,
    tls: 'on',
    'operator-token': token,
  });
  closers.push(() => coordinator.stop());
  const env = {
    PATH: process.env['PATH'] ?? '',
    SKERRY_COORDINATOR: coordinator.httpUrl,
    SKERRY_CA: join(dataDir, 'authority.crt'),
    SKERRY_OPERATOR_TOKEN: token,
  };
  const skerry = (...argv: string[]) => promisify(execFile)(bin, argv, { env });
  await skerry('model', 'push', factoryBundle);
  const digits = await dealDigits(count, { seen, exam: 0, heldOut: 0 });
  const agents = new Map<string, SkerryProcess>();
  for (const own of digits.devices) {
    const { device: name } = own;
    const link = await openSecureLink(name, coordinator, dataDir, false);
    closers.push(link.close);
    const flags = {
      device: name,
      target: 'linux-x64',
      bundles: factoryBundle,
      'data-dir': join(folder, name),
      'http-port': 0,
      'status-interval-ms': 1_000,
      'deadline-ms': 2_000,
      'learn-models': 'digits',
      'learn-idle-ms': 300,
      'learn-charging': 'any',
      'learn-updates': 'masked',
      ...link.flags,
    };
    const agent = await startProcess('agent', name, flags, agentNodeFlags);
    closers.push(() => agent.stop());
    agents.set(name, agent);
    await teach({ name, link, agent: () => agent, kill: agent.kill, start: async () => {} }, own);
  }
  onEvent(
    `${count} agents with certificates have ${seen} labels each; they send masked updates alone`,
  );

  const authority = await readFile(join(dataDir, 'authority.crt'));
  const get = (path: string): Promise<unknown> =>
    getJson(`${coordinator.httpUrl}${path}`, authority, token);
  const planPath = join(folder, 'plan.json');
  await writeFile(planPath, JSON.stringify(planMasked(count)));
  const startedMs = Date.now();
  await skerry('learn', 'start', planPath);
  const { view, killed } = await untilOver(
    async () => readRunView(await get(`/v1/learn/${run}`)),
    agents,
    onEvent,
  );
  const seconds = ((Date.now() - startedMs) / 1_000).toFixed(0);
  const told: Told[][] = [];
  for (let round = 1; round <= view.round; round++) {
    const path = `/v1/learn/${run}/rounds/${round}/updates`;
    told.push(((await get(path)) as { contributions: Told[] }).contributions);
  }
  const living = digits.devices.filter(({ device }) => device !== victim);
  onEvent('those that are left are asked what they hold, and learn with noise of their own');
  return [
    ...promisesOf(view, killed, told, seconds, count),
    ...(await askMasked(skerry, living)),
    ...(await learnPrivately(skerry, planPath, living.length)),
  ];
}

const planMasked = (devices: number) => ({
  id: run,
  model: 'digits',
  base: '1.0.0',
  network: 'digits',
  rounds,
  clients: { target: devices, min: 3, overSelect: 1 },
  eligibility: { idle: false },
  work: { epochs: 1, batch: 10, learningRate: 0.05, holdOut: 0.1 },
  masking: { range: 0.5, stageMs: 20_000 },
  timeouts: { gatherMs: 10_000, selectMs: 60_000, roundMs: 60_000 },
});

/** Kills one as soon as the last round's masked sum is begun. */
async function untilOver(
  look: () => Promise<RunView>,
  agents: ReadonlyMap<string, SkerryProcess>,
  onEvent: (text: string) => void,
): Promise<{ view: RunView; killed: boolean }> {
  const untilMs = Date.now() + runTimeoutMs;
  let killed = false;
  let said = '';
  for (;;) {
    const view = await look();
    const text = view.reasons[0] ?? '';
    const what = text.replace(/: \d+ devices have not.*|; (ends|gives up) in.*/, '');
    if (what !== said) onEvent(what);
    said = what;
    if (!killed && view.round === rounds - 1 && view.phase.kind === 'aggregating') {
      await agents.get(victim)?.kill();
      killed = true;
      onEvent(`${victim} is killed while its round is masked`);
    }
    if (over.includes(view.phase.kind)) return { view, killed };
    if (Date.now() > untilMs) throw new Error(`the run is ${view.phase.kind}: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

function promisesOf(
  { phase, round, reasons }: RunView,
  killed: boolean,
  told: readonly (readonly Told[])[],
  seconds: string,
  count: number,
): readonly LearnPromise[] {
  const all = told.flat();
  const [first = [], last = []] = told;
  return [
    {
      text: `the run is ${phase.kind}: ${round} of ${rounds} rounds in ${seconds} s, with ${victim} killed in the last (${reasons[0]})`,
      kept: phase.kind === 'completed' && round === rounds && killed,
    },
    {
      text: `the first sum is of ${first.length} updates, the second of ${last.length}`,
      kept: first.length === count && last.length >= count - 1,
    },
    {
      text: `of none of the ${all.length} updates the coordinator knows more than that it is in a sum`,
      kept: all.length > 0 && all.every(({ reason, used }) => used && reason === 'masked'),
    },
  ];
}

function getJson(url: string, ca: Buffer, token: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { ca, headers: { authorization: `Bearer ${token}` } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${url}: ${response.statusCode} ${text}`));
        });
      },
    );
    asked.once('error', reject);
    asked.end();
  });
}
