// The agent in this process, with its real store and runtime and a cloud that is never there.

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Agent,
  type AgentConfig,
  agentConfigSchema,
  createAgent,
  createSqliteDeviceStore,
  createSqliteDocumentStore,
  createSqliteEscalationStore,
  createSqliteRouteStore,
  openDatabase,
  packTensor,
} from '@skerry/edge-agent';
import { createResidency } from '@skerry/models';
import { createOnnxNativePool, readBundle } from '@skerry/models/node';
import { createId, err, type Failure, failure, type Result, silentLog } from '@skerry/shared';
import { createSystemRandom, memoryLimitBytes, systemClock } from '@skerry/shared/node';
import type { DeviceStore, DeviceTransport } from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';

export interface InProcessAgent {
  readonly agent: Agent;
  readonly store: DeviceStore;
  close(): Promise<void>;
}

const neverConnected: DeviceTransport = {
  send: async () => err(failure('unavailable', 'never connected')),
  connected: () => false,
  onMessage() {},
  onConnection() {},
  close: async () => {},
};

/** Its store lies in a new folder inside `parent`. */
export async function openInProcessAgent(
  parent: string,
  bundle: string,
  policy: AgentConfig['policy'],
  variant?: string,
): Promise<InProcessAgent> {
  const config = agentConfigSchema.parse({ device: 'bench', policy });
  const clock = systemClock;
  const random = createSystemRandom();
  const folder = await mkdtemp(join(parent, 'agent-'));
  const database = expectOk(openDatabase(join(folder, 'agent.db')));
  const newEpoch = () => createId(clock.nowMs(), random);
  const store = expectOk(createSqliteDeviceStore(database, config.device, newEpoch, config));
  const documentEngine = createWorkerEngine();
  const agent = expectOk(
    await createAgent(config, {
      bundles: [expectOk(await readBundle(bundle, ['edge'], variant))],
      createRuntime: createOnnxNativePool(config.workers).createRuntime,
      residency: createResidency(memoryLimitBytes()),
      store,
      escalations: createSqliteEscalationStore(database, config),
      routeStore: createSqliteRouteStore(database),
      documents: createSqliteDocumentStore(database),
      documentEngine,
      transport: neverConnected,
      pack: packTensor,
      clock,
      random,
      log: silentLog,
    }),
  );
  return {
    agent,
    store,
    async close() {
      await agent.close();
      await documentEngine.close();
      database.close();
    },
  };
}

/** A benchmark has nobody to hand a Failure to. */
export function expectOk<T>(result: Result<T, Failure>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.error.code}: ${result.error.message}`);
}
