// npm run rollout                        a good version, a bad one and a rollback over real agents
// npm run rollout -- --agents 30 --canary 6 --rate 2

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { testImages } from '../demo/test-images.ts';
import { fullEffort, makeVersions } from './make-versions.ts';
import { promisesOf, renderMoved, renderWaves } from './report.ts';
import { runStory } from './run-story.ts';

const { values } = parseArgs({
  options: {
    agents: { type: 'string', default: '50' },
    canary: { type: 'string', default: '8' },
    rate: { type: 'string', default: '1' },
  },
});
const imageCount = 5_000;
/** Of each device: a gate pairs as many of its candidate's with them. */
const baselineAnswers = 30;
/** Of fewer no gate could show that one of twenty fails. */
const canaryMin = 3;
const startedMs = Date.now();

const say = (text: string): void => {
  const seconds = String(Math.round((Date.now() - startedMs) / 1_000)).padStart(4);
  process.stdout.write(`${seconds} s  ${text}\n`);
};

async function main(): Promise<number> {
  const [agents, canary, rate] = [values.agents, values.canary, values.rate].map(Number);
  const counts = [agents, canary];
  if (
    agents === undefined ||
    canary === undefined ||
    rate === undefined ||
    !counts.every((count) => Number.isInteger(count)) ||
    !(canary >= canaryMin && agents > canary && rate > 0)
  ) {
    process.stdout.write('usage: npm run rollout -- [--agents 50] [--canary 8] [--rate 1]\n');
    return 2;
  }
  const folder = await mkdtemp(join(tmpdir(), 'skerry-versions-'));
  try {
    const versions = await makeVersions(folder, fullEffort, say);
    for (const { version, accuracy, shareAtEdge } of [versions.good, versions.bad])
      say(
        `${version}: on its own test images ${percent(accuracy)} right, ${percent(shareAtEdge)} answered on the device`,
      );
    const images = await testImages(imageCount);
    const end = await runStory({
      agents,
      canary,
      versions,
      images,
      imagesPerSecond: rate,
      baselineSeconds: baselineAnswers / rate,
      soakMs: 10_000,
      onEvent: say,
    });
    const names = new Map([
      [end.good.bundle, versions.good.version],
      [end.bad.bundle, versions.bad.version],
    ]);
    const write = (text: string): void => void process.stdout.write(`${text}\n`);
    write(`\n${agents} agents; requests to each: ${rate} a second\n`);
    write(`\n${renderWaves([end.good, end.bad])}\n`);
    write(`\n${renderMoved(end.moved, names)}\n`);
    if (end.lastFailure !== undefined) write(`\nlast failure: ${end.lastFailure}`);
    const promises = promisesOf(end);
    for (const { text, kept } of promises) write(`${kept ? '✓' : '✗'} ${text}`);
    return promises.every(({ kept }) => kept) ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

// Whoever is told to end takes along what it has started: see process.ts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

process.exitCode = await main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
  return 1;
});
