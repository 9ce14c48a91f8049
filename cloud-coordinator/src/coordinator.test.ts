// The coordinator as composed, with the bundle that ships: only the pipe and the clock are the test's.

import { join } from 'node:path';
import { createResidency } from '@skerry/models';
import { createOnnxNativeRuntime, readBundle, zooDirectory } from '@skerry/models/node';
import { assert, createRandom, defined, loadConfig, ok, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { decodeMessage, type Escalation, encodeMessage, type Reply } from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { createMemoryPipe, sampleExchange } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openSqlite } from './adapters/open-sqlite.ts';
import { createSqlAuditTable } from './adapters/sql-audit-table.ts';
import { createSqlCoordinatorStore } from './adapters/sql-coordinator-store.ts';
import { createSqlDeviceTable } from './adapters/sql-device-table.ts';
import { createSqlDocumentStore } from './adapters/sql-document-store.ts';
import { coordinatorConfigSchema } from './config.ts';
import { createCoordinator } from './coordinator.ts';
import { createMetrics } from './observe/metrics.ts';

const device = 'device-1';

async function fresh() {
  const config = loadConfig(coordinatorConfigSchema, { environment: {}, flags: [] });
  const bundle = await readBundle(join(zooDirectory, 'digits'), ['edge', 'cloud']);
  const db = await openSqlite(':memory:');
  assert(config.ok && bundle.ok && db.ok, 'config, bundle and database are there');
  onTestFinished(() => db.value.destroy());
  const pipe = createMemoryPipe(systemClock);
  const coordinator = await createCoordinator(
    { ...config.value, holdMs: 10_000 },
    {
      clock: systemClock,
      random: createRandom(1),
      log: silentLog,
      metrics: createMetrics(),
      store: createSqlCoordinatorStore(db.value, systemClock),
      devices: createSqlDeviceTable(db.value),
      audits: createSqlAuditTable(db.value),
      documents: createSqlDocumentStore(db.value),
      documentEngine: createWorkerEngine(),
      readBundles: async () => ok([bundle.value]),
      createRuntime: createOnnxNativeRuntime,
      residency: createResidency(Number.POSITIVE_INFINITY),
      transport: pipe.listen(),
    },
  );
  assert(coordinator.ok, 'the coordinator starts');
  onTestFinished(() => coordinator.value.close());
  const transport = pipe.connect(device);
  const replies: Reply[] = [];
  transport.onMessage((bytes) => {
    const message = decodeMessage(bytes);
    if (message.ok && message.value.type === 'reply') replies.push(message.value);
  });
  return { bundle: bundle.value, coordinator: coordinator.value, transport, replies };
}

describe('a coordinator', () => {
  it('answers an escalation in the reply to its Exchange, whatever came before it', async () => {
    const { bundle, coordinator, transport, replies } = await fresh();
    await transport.send(Uint8Array.of(0xff, 0x00, 0x42));
    await transport.send(new Uint8Array(200_000));
    const stage = defined(bundle.manifest.stages.at(-1), 'the last stage');
    const input = defined(stage.inputs[0], 'its input');
    const shape = [1, ...input.shape.slice(1)];
    const body: Escalation = {
      kind: 'escalation',
      requestId: 'r1',
      model: bundle.manifest.name,
      version: bundle.manifest.version,
      variant: bundle.variant.digest,
      stage: stage.name,
      input: {
        name: input.name,
        datatype: input.datatype,
        shape,
        codec: 'raw',
        data: new Uint8Array(shape.reduce((product, size) => product * size, 1)),
      },
      local: { exit: 1, label: 0, confidence: 0.5 },
      deadlineLeftMs: 100,
    };
    const exchange = encodeMessage(sampleExchange({ device, ops: [{ seq: 1, atMs: 0, body }] }));
    assert(exchange.ok, 'the exchange is valid');
    await transport.send(exchange.value);
    await vi.waitFor(() => expect(replies).toHaveLength(1), { timeout: 10_000 });
    expect(replies[0]).toMatchObject({
      acks: [{ lane: 'urgent', seq: 1 }],
      ops: [{ position: 1, body: { requestId: 'r1', outcome: { kind: 'answered', exit: 2 } } }],
    });
    const get = async (path: string) =>
      (await coordinator.fetch(new Request(`http://localhost${path}`))).text();
    expect(JSON.parse(await get('/v1/devices'))).toMatchObject({ devices: [{ device }] });
    expect(JSON.parse(await get('/v1/risks'))).toEqual({ windowDays: 7, risks: [] });
    expect(await get('/metrics')).toMatch(/skerry_failures_total\{code="malformed_message"\} 1/);
    expect(await get('/metrics')).toMatch(/skerry_failures_total\{code="too_large"\} 1/);
    expect(await get('/metrics')).toMatch(/skerry_ops_quarantined 0/);
  });
});
