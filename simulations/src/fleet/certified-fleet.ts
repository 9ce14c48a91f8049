// A coordinator behind TLS and its agents as processes, in a folder that goes with them.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SkerryProcess, startProcess } from './process.ts';

type Flags = Parameters<typeof startProcess>[2];

/** What a coordinator of such a fleet asks its operator for. */
export const operatorToken = 'the-operator-token-of-a-certified-fleet';

export interface CertifiedFleet {
  readonly folder: string;
  /** The coordinator's, which holds the authority. */
  readonly dataDir: string;
  startCoordinator(flags: Flags): Promise<SkerryProcess>;
  startAgent(device: string, flags: Flags, dataFolder?: string): Promise<SkerryProcess>;
}

/** `atEnd` gets what ends it all. */
export async function openCertifiedFleet(
  atEnd: (close: () => Promise<void>) => void,
): Promise<CertifiedFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-certified-'));
  const processes: SkerryProcess[] = [];
  atEnd(async () => {
    for (const process of processes) await process.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const start: typeof startProcess = async (kind, name, flags) => {
    const started = await startProcess(kind, name, { 'http-port': 0, ...flags });
    processes.push(started);
    return started;
  };
  const dataDir = join(folder, 'coordinator');
  return {
    folder,
    dataDir,
    startCoordinator: (flags) =>
      start('coordinator', 'coordinator', {
        'data-dir': dataDir,
        tls: 'on',
        'operator-token': operatorToken,
        'revocation-read-ms': 100,
        ...flags,
      }),
    startAgent: (device, flags, dataFolder = device) =>
      start('agent', device, { 'data-dir': join(folder, dataFolder), device, ...flags }),
  };
}

export async function linkOf(agent: SkerryProcess): Promise<string> {
  const health = await (await fetch(`${agent.httpUrl}/healthz`)).json();
  return (health as { link: { state: string } }).link.state;
}
