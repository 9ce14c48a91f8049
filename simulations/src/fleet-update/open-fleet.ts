// One coordinator with its broker, a key ceremony, and agents as processes: each runs the digits that it shipped with and
// believes the root of trust that it shipped with.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTrustCommand } from '@skerry/cloud-coordinator/trust';
import { zooDirectory } from '@skerry/models/node';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { expectOk } from './expect-ok.ts';

export interface UpdatableFleet {
  readonly folder: string;
  /** The coordinator's. */
  readonly dataDir: string;
  readonly coordinator: SkerryProcess;
  readonly agents: readonly SkerryProcess[];
  close(): Promise<void>;
}

export const factoryBundle = join(zooDirectory, 'digits');

/** Many at once would only wait for each other. */
const startsAtOnce = 4;
/** An agent holds one small model: what else its heap might take it does not need. */
export const agentNodeFlags = ['--max-semi-space-size=1', '--max-old-space-size=96'];

/** A coordinator whose repository of trust has just been made, and the file of its first root. */
export async function openTrustedCoordinator(
  folder: string,
  dataDir: string,
): Promise<{ coordinator: SkerryProcess; root: string }> {
  expectOk(await runTrustCommand(['init', '--data-dir', dataDir]));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1_000,
    'rollout-turn-ms': 250,
  });
  const root = join(folder, 'root.json');
  const published = await fetch(`${coordinator.httpUrl}/v1/tuf/metadata/1.root.json`);
  await writeFile(root, Buffer.from(await published.arrayBuffer()));
  return { coordinator, root };
}

/** Of an agent that runs what ships and takes updates; its way to the coordinator is added. */
export const updatableFlags = (device: string, folder: string, root: string) => ({
  device,
  target: 'linux-x64',
  bundles: factoryBundle,
  'data-dir': join(folder, device),
  'http-port': 0,
  'update-root': root,
  'status-interval-ms': 2_000,
  // Ample: all of them share the cores of one machine.
  'deadline-ms': 2_000,
  // Of so few requests the usual one in a hundred would show nothing in minutes.
  'audit-share': 0.2,
});

export async function openUpdatableFleet(
  agentCount: number,
  onStarted: (count: number) => void,
): Promise<UpdatableFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-rollout-'));
  const dataDir = join(folder, 'coordinator');
  const processes: SkerryProcess[] = [];
  const close = async (): Promise<void> => {
    // The agents first: they would only look for a coordinator that has gone.
    const [coordinator, ...agents] = processes;
    await Promise.all(agents.map((agent) => agent.stop()));
    await coordinator?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { coordinator, root } = await openTrustedCoordinator(folder, dataDir);
    processes.push(coordinator);

    const agents: SkerryProcess[] = [];
    const start = async (i: number): Promise<void> => {
      const device = `device-${i + 1}`;
      const agent = await startProcess(
        'agent',
        device,
        {
          ...updatableFlags(device, folder, root),
          broker: coordinator.mqttUrl ?? '',
          'coordinator-url': coordinator.httpUrl,
        },
        agentNodeFlags,
      );
      processes.push(agent);
      agents.push(agent);
      onStarted(agents.length);
    };
    let next = 0;
    await Promise.all(
      Array.from({ length: startsAtOnce }, async () => {
        while (next < agentCount) await start(next++);
      }),
    );
    return { folder, dataDir, coordinator, agents, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
