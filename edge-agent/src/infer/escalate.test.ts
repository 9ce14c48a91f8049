// Audits of early exits: they run the stages that the exit saved, which the apps' own requests wait for.

import { createRandom, ok, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import type { Escalation } from '@skerry/sync-protocol';
import { expect, it, vi } from 'vitest';
import { packTensor } from '../adapters/pack-tensor.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteEscalationStore } from '../adapters/sqlite-escalation-store.ts';
import { createSqliteRouteStore } from '../adapters/sqlite-route-store.ts';
import { agentConfigSchema } from '../config.ts';
import { openRouting } from '../route/open-routing.ts';
import { createEscalator } from './escalate.ts';
import type { Model, StageOutcome } from './model.ts';
import type { Asked } from './request.ts';

const variant = `sha256:${'a'.repeat(64)}`;

/** Of the first of two stages on the device. */
const early: StageOutcome = {
  exit: 1,
  threshold: 0.5,
  outOfDomain: false,
  logits: Float32Array.of(2, 0),
  prediction: { index: 0, confidence: 0.9, probabilities: Float64Array.of(0.9, 0.1) },
  cut: {
    stage: 'second',
    name: 'cut',
    tensor: { datatype: 'UINT8', shape: [1, 2], data: Uint8Array.of(1, 2) },
  },
  hasNextEdgeStage: true,
  hasCloudStage: true,
};
const last: StageOutcome = { ...early, exit: 2, hasNextEdgeStage: false };

function open() {
  const clock = createVirtualClock();
  const config = agentConfigSchema.parse({});
  const database = openDatabase(':memory:');
  if (!database.ok) throw new Error(database.error.message);
  const stores = createSqliteRouteStore(database.value);
  const { router, lookAlikes } = openRouting(config, [variant], {
    link: () => ({ state: 'up' }),
    store: stores,
    strain: () => undefined,
    clock,
    random: createRandom(1),
  });
  const sent: Escalation[] = [];
  const escalator = createEscalator(
    {
      escalations: createSqliteEscalationStore(database.value, config),
      router,
      lookAlikes,
      pack: packTensor,
      clock,
      log: silentLog,
      onAudit() {},
      queue: {
        append(body, effect) {
          effect();
          sent.push(body);
          return ok(undefined);
        },
      },
    },
    10,
  );
  /** Later stages under way, each until it is let go. */
  const running: (() => void)[] = [];
  const model = {
    manifest: { name: 'sample', version: '1' },
    variant,
    runStage: () =>
      new Promise<Result<StageOutcome>>((resolve) => running.push(() => resolve(ok(last)))),
  } as unknown as Model;
  const asked = (requestId: string): Asked => ({
    request: { model: 'sample' },
    model,
    policy: 'sync-with-deadline',
    startedMs: 0,
    deadlineAtMs: 100,
    requestId,
  });
  return { escalator, sent, running, asked };
}

it('no more than a few audits run later stages at once; those beyond are not made', async () => {
  const { escalator, sent, running, asked } = open();
  for (let i = 0; i < 6; i++) void escalator.audit(asked(`r${i}`), early);
  expect(running.length).toBe(4);
  // One that runs nothing more is not among them.
  await escalator.audit(asked('at-the-cut'), last);
  for (const letGo of running.splice(0)) letGo();
  await vi.waitFor(() => expect(sent.length).toBe(5));
  expect(sent.map(({ requestId }) => requestId).sort()).toEqual([
    'at-the-cut',
    'r0',
    'r1',
    'r2',
    'r3',
  ]);
  void escalator.audit(asked('r6'), early);
  expect(running.length).toBe(1);
});

it('what closes the store is told when no audit is under way any more', async () => {
  const { escalator, sent, running, asked } = open();
  const order: string[] = [];
  await escalator.settled(); // At once, where there is none.
  void escalator.audit(asked('held'), early).then(() => order.push('audited'));
  const settled = escalator.settled().then(() => order.push('settled'));
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  expect(order).toEqual([]);
  for (const letGo of running.splice(0)) letGo();
  await settled;
  expect(sent.map(({ requestId }) => requestId)).toEqual(['held']);
  expect(order).toContain('settled');
});
