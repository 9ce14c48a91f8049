// The fleet of the demo: a coordinator, and agents that may learn, each behind wires of its own that can be cut, each of
// which can be killed and started again on what it has on disk.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeviceLink, openWholeLink } from '../demo/device-link.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import {
  agentNodeFlags,
  openTrustedCoordinator,
  updatableFlags,
} from '../fleet-update/open-fleet.ts';

export interface LearningDevice {
  readonly name: string;
  readonly link: Pick<DeviceLink, 'set' | 'bytesUp'>;
  /** The process that there is now. */
  agent(): SkerryProcess;
  /** SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface LearningFleet {
  readonly folder: string;
  /** The coordinator's. */
  readonly dataDir: string;
  readonly coordinator: SkerryProcess;
  readonly devices: readonly LearningDevice[];
  close(): Promise<void>;
}

/** A demo’s devices are asked all day, and have a moment only. */
const idleMs = 300;

export async function openLearningFleet(names: readonly string[]): Promise<LearningFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-learning-'));
  const dataDir = join(folder, 'coordinator');
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const { coordinator, root } = await openTrustedCoordinator(folder, dataDir);
    closers.push(() => coordinator.stop());
    const devices = await Promise.all(
      names.map(async (name) => {
        const link = await openWholeLink(coordinator);
        closers.push(link.close);
        const device = createDevice(name, link, {
          ...updatableFlags(name, folder, root),
          ...link.flags,
          'status-interval-ms': 1_000,
          // A model that has learned little is sure of little, and only what it is sure of is audited.
          'audit-share': 0.5,
          'learn-models': 'digits',
          'learn-idle-ms': idleMs,
          'learn-charging': 'any',
        });
        closers.push(() => device.stop());
        await device.start();
        return device;
      }),
    );
    return { folder, dataDir, coordinator, devices, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function createDevice(
  name: string,
  link: DeviceLink,
  flags: Readonly<Record<string, string | number>>,
): LearningDevice & { stop(): Promise<void> } {
  let running: SkerryProcess | undefined;
  const agent = (): SkerryProcess => {
    if (running === undefined) throw new Error(`${name} is not running`);
    return running;
  };
  return {
    name,
    link,
    agent,
    async start() {
      running = await startProcess('agent', name, flags, agentNodeFlags);
    },
    kill: () => agent().kill(),
    stop: async () => running?.stop(),
  };
}
