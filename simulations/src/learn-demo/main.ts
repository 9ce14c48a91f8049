// npm run demo:learn                 four real agents learn what none of them could alone, over MQTT
// npm run demo:learn -- --devices 3 --rounds 4 --labels 120 --trains head
// npm run demo:learn -- --masked     five agents, of whose updates nobody sees more than the sum

import { parseArgs } from 'node:util';
import { runMaskedStory } from './masked-story.ts';
import { type TrainedPart, trainedParts } from './plans.ts';
import { type LearnPromise, promisesOf, renderDevices } from './report.ts';
import { runLearnStory } from './run-story.ts';
import { tiltDegrees } from './tilted-digits.ts';

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '8' },
    labels: { type: 'string', default: '240' },
    trains: { type: 'string', default: 'network' },
    masked: { type: 'boolean', default: false },
  },
});
/** One is killed, one cut off, and one goes on. */
const devicesMin = 3;
const devicesMax = 10;
/** One before the kill, one with it, and one with the link cut. */
const roundsMin = 3;
const startedMs = Date.now();

const write = (text: string): void => void process.stdout.write(text);
const say = (text: string): void => {
  const seconds = String(Math.round((Date.now() - startedMs) / 1_000)).padStart(4);
  write(`${seconds} s  ${text}\n`);
};

/** Few labels: it is about the sum. */
const masked = { devices: 5, seen: 30 };

async function showMasked(): Promise<number> {
  write(`${masked.devices} agents, ${masked.seen} labels each, over MQTT with TLS.\n\n`);
  return showPromises(await runMaskedStory({ ...masked, onEvent: say }));
}

function showPromises(promises: readonly LearnPromise[]): number {
  for (const { text, kept } of promises) write(`${kept ? '✓' : '✗'} ${text}\n`);
  return promises.every(({ kept }) => kept) ? 0 : 1;
}

async function main(): Promise<number> {
  if (values.masked) return showMasked();
  const [devices = 0, rounds = 0, labels = 0] = [values.devices, values.rounds, values.labels].map(
    Number,
  );
  const part = Object.keys(trainedParts).find((name) => name === values.trains);
  const whole = [devices, rounds, labels].every(Number.isInteger);
  if (
    !whole ||
    part === undefined ||
    devices < devicesMin ||
    devices > devicesMax ||
    rounds < roundsMin ||
    labels < 20 ||
    labels > 1_000
  ) {
    write(
      `usage: npm run demo:learn -- [--devices ${devicesMin}…${devicesMax}] [--rounds ${roundsMin}…] [--labels 20…1000] [--trains ${Object.keys(trainedParts).join('|')}]\n`,
    );
    return 2;
  }
  write(
    `${devices} agents, each with digits of its own through a camera that is ${tiltDegrees}° askew; ${labels} labels each, which never leave it.\n\n`,
  );
  const end = await runLearnStory({
    devices,
    rounds,
    part: part as TrainedPart,
    roundMs: 20_000,
    seen: labels,
    exam: 300,
    heldOut: 6_000,
    soakMs: 8_000,
    imagesPerSecond: 8,
    onEvent: say,
  });
  write(
    `\nright on 300 of its own digits, by the device itself\n\n${renderDevices(end.devices)}\n\n`,
  );
  return showPromises(promisesOf(end));
}

// Whoever is told to end takes along what it has started: see process.ts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

process.exitCode = await main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
  return 1;
});
