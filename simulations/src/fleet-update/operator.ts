// What an operator does, by the surface that operators have: the command `skerry` pushes bundles, begins rollouts and takes
// them back, two key holders sign with `tuf`, and what has become of it is looked at over HTTP.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runTrustCommand } from '@skerry/cloud-coordinator/trust';
import { sha256 } from '@skerry/shared/node';
import { expectOk } from './expect-ok.ts';
import type { UpdatableFleet } from './open-fleet.ts';
import { type RolloutView, readView } from './rollout-view.ts';

export interface Operator {
  /** Into the registry; returns the bundle's digest. */
  push(bundle: string): Promise<string>;
  /** By two of the three that hold keys. */
  sign(bundle: string): Promise<void>;
  begin(plan: { readonly id: string }): Promise<void>;
  view(rollout: string): Promise<RolloutView>;
  rollBack(rollout: string, reason: string): Promise<void>;
  quarantined(): Promise<readonly string[]>;
  /** By device, what its latest heartbeat says that it runs. */
  running(): Promise<ReadonlyMap<string, string>>;
}

const devicesPerPage = 1_000;
/** What is run is what is shipped. */
const skerryMain = new URL('../../../cloud-coordinator/dist/skerry/main.js', import.meta.url)
  .pathname;
const run = promisify(execFile);

export function createOperator({
  coordinator,
  dataDir,
  folder,
}: Pick<UpdatableFleet, 'coordinator' | 'dataDir' | 'folder'>): Operator {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${coordinator.httpUrl}${path}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  };
  const skerry = async (...argv: string[]): Promise<void> => {
    await run(process.execPath, [skerryMain, ...argv, '--coordinator', coordinator.httpUrl]);
  };
  const tuf = async (...argv: string[]): Promise<void> => {
    expectOk(await runTrustCommand([...argv, '--data-dir', dataDir]));
  };
  return {
    async push(bundle) {
      await skerry('model', 'push', bundle);
      return sha256(await readFile(join(bundle, 'manifest.json')));
    },
    async sign(bundle) {
      await tuf('add', '--bundle', bundle);
      for (const holder of [1, 2])
        await tuf('sign', '--key', join(dataDir, 'tuf/offline-keys', `targets-${holder}.pem`));
      await tuf('publish');
    },
    async begin(plan) {
      const path = join(folder, `${plan.id}.json`);
      await writeFile(path, JSON.stringify(plan));
      await skerry('rollout', 'create', path);
    },
    view: async (rollout) => readView(await ask(`/v1/rollouts/${rollout}`)),
    rollBack: (rollout, reason) => skerry('rollback', rollout, '--reason', reason),
    async quarantined() {
      const { quarantined } = (await ask('/v1/fleet')) as { quarantined: { bundle: string }[] };
      return quarantined.map(({ bundle }) => bundle);
    },
    async running() {
      const listed = (await ask(`/v1/devices?limit=${devicesPerPage}`)) as {
        devices: { device: string; status?: { models: { name: string; bundle?: string }[] } }[];
      };
      return new Map(
        listed.devices.map(({ device, status }) => [
          device,
          status?.models.find(({ name }) => name === 'digits')?.bundle ?? '',
        ]),
      );
    },
  };
}
