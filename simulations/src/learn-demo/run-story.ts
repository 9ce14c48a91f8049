// The story: devices see digits that the model which ships reads badly, each a few of the ten, and people put them right.
// Then the fleet learns from what lies on the devices; the coordinator makes a version of it and judges it; two people sign;
// it is rolled out behind a gate; and every device is asked again.

import { join } from 'node:path';
import type { LabelledImage } from '../demo/feed.ts';
import { startLoad } from '../fleet-update/load.ts';
import { factoryBundle } from '../fleet-update/open-fleet.ts';
import { createOperator, type Operator } from '../fleet-update/operator.ts';
import { type WatchedRollout, watchRollout } from '../fleet-update/watch.ts';
import { examine, type Score, teach } from './exam.ts';
import { createLearnOperator } from './learn-operator.ts';
import { liveThrough, untilReleased } from './live-through.ts';
import { type LearningDevice, type LearningFleet, openLearningFleet } from './open-fleet.ts';
import { planRun, type TrainedPart } from './plans.ts';
import { pullBundle } from './pull-bundle.ts';
import type { RunView } from './run-view.ts';
import {
  type DealtDigits,
  type DeviceDigits,
  dealDigits,
  type SeenSizes,
} from './tilted-digits.ts';
import { writeIdx } from './write-idx.ts';

export interface LearnStoryOptions extends SeenSizes {
  readonly devices: number;
  readonly rounds: number;
  readonly part: TrainedPart;
  /** That a round waits for whoever is away. */
  readonly roundMs: number;
  readonly soakMs: number;
  readonly imagesPerSecond: number;
  onEvent(text: string): void;
}

export interface DeviceStory {
  readonly device: string;
  readonly mostly: readonly number[];
  readonly taught: number;
  readonly before: Score;
  readonly after: Score;
  /** What happened to it meanwhile. */
  readonly fate: string;
  /** The version that its heartbeat names. */
  readonly runs: string;
}

export interface LearnStoryEnd {
  readonly devices: readonly DeviceStory[];
  readonly run: RunView;
  readonly runSeconds: number;
  readonly rollout: WatchedRollout;
  readonly version: string;
  readonly failed: number;
}

const run = 'askew';
const version = '1.1.0';
const rolloutTimeoutMs = 10 * 60_000;
const heartbeatTimeoutMs = 60_000;
const lookEveryMs = 100;

export async function runLearnStory(options: LearnStoryOptions): Promise<LearnStoryEnd> {
  const digits = await dealDigits(options.devices, options);
  const fleet = await openLearningFleet(digits.devices.map(({ device }) => device));
  try {
    return await play(options, fleet, digits);
  } finally {
    await fleet.close();
  }
}

async function play(
  options: LearnStoryOptions,
  fleet: LearningFleet,
  digits: DealtDigits,
): Promise<LearnStoryEnd> {
  const { onEvent } = options;
  const operator = createOperator(fleet);
  const learning = createLearnOperator(fleet);
  const look = (): Promise<RunView> => learning.view(run);
  onEvent(`${fleet.devices.length} agents run what ships; their cameras hang askew`);
  const factory = await operator.push(factoryBundle);
  await operator.sign(factoryBundle);

  const each = <Value>(act: (device: LearningDevice, own: DeviceDigits) => Promise<Value>) =>
    Promise.all(fleet.devices.map((device, i) => act(device, digits.devices[i] as DeviceDigits)));
  const before = await each((device, own) => examine(device, own, 'before'));
  const taught = await each(teach);
  onEvent(`people have put right ${taught.reduce((sum, count) => sum + count, 0)} answers`);

  const startedMs = Date.now();
  const candidate = { ...options, version, canary: Math.ceil(options.devices / 2) };
  const heldOut = await writeIdx(fleet.folder, digits.heldOut);
  await learning.start(planRun({ ...options, id: run, version: '1.0.0', candidate }), heldOut);
  const learned = await liveThrough(fleet, look, onEvent);
  const runSeconds = (Date.now() - startedMs) / 1_000;
  const made = learned.view.candidate;
  if (made === undefined) throw new Error(`the run: ${learned.view.reasons.join('; ')}`);
  onEvent(
    `the coordinator has made ${made.version}: ${percent(made.after)} right on held-out digits, where 1.0.0 has ${percent(made.before)}`,
  );

  const apps = startLoad(
    fleet.devices.map((device) => device.agent()),
    interleave(digits.devices.map(({ exam }) => exam)),
    options.imagesPerSecond,
  );
  let rollout: WatchedRollout;
  try {
    const pulled = join(fleet.folder, made.version);
    await pullBundle(made.manifest.digest, pulled, learning.fetch);
    await operator.sign(pulled);
    onEvent('two key holders have signed it');
    rollout = await watch(await untilReleased(look), operator, onEvent);
    await untilAllRun(operator, fleet.devices.length, made.manifest.digest);
  } finally {
    await apps.stop();
  }
  const after = await each((device, own) => examine(device, own, 'after'));
  const versions = new Map([
    [factory, '1.0.0'],
    [made.manifest.digest, made.version],
  ]);
  const running = await operator.running();
  return {
    devices: digits.devices.map(({ device, mostly }, i) => ({
      device,
      mostly,
      taught: taught[i] as number,
      before: before[i] as Score,
      after: after[i] as Score,
      fate: learned.fates.get(device) ?? '',
      runs: versions.get(running.get(device) ?? '') ?? '?',
    })),
    run: await look(),
    runSeconds,
    rollout,
    version: made.version,
    failed: apps.failed(),
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

async function watch(
  id: string,
  operator: Operator,
  onEvent: (text: string) => void,
): Promise<WatchedRollout> {
  let said = '';
  const watched = await watchRollout(
    id,
    () => operator.view(id),
    ({ phase }) => !['running', 'rolling-back'].includes(phase.kind),
    {
      timeoutMs: rolloutTimeoutMs,
      async onLook({ reasons }) {
        const text = reasons
          .join('; ')
          .replace(/; ends by itself.*/, '')
          .replaceAll(/, 0 [a-z ]+/g, '');
        if (text !== said) onEvent(`rollout: ${text}`);
        said = text;
      },
    },
  );
  const { phase, reasons } = watched.end;
  if (phase.kind !== 'completed') throw new Error(`the rollout: ${reasons.join('; ')}`);
  return watched;
}

async function untilAllRun(operator: Operator, count: number, bundle: string): Promise<void> {
  const byMs = Date.now() + heartbeatTimeoutMs;
  while (Date.now() < byMs) {
    const running = [...(await operator.running()).values()];
    if (running.filter((runs) => runs === bundle).length === count) return;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** As `startLoad` deals them: the n-th device is shown every n-th. */
function interleave(own: readonly (readonly LabelledImage[])[]): readonly LabelledImage[] {
  const each = Math.min(...own.map(({ length }) => length));
  return Array.from({ length: each }, (_, i) =>
    own.map((images) => images[i] as LabelledImage),
  ).flat();
}
