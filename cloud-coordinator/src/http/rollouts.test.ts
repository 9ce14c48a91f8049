// The routes over real rollouts of a model fleet, in one process.

import { silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it, vi } from 'vitest';
import type { DeviceView } from '../fleet/device-registry.ts';
import {
  createMemoryAssignmentStore,
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import { createModelFleet } from '../testing/model-fleet.ts';
import {
  candidateDigest,
  digestOf,
  incumbentDigest,
  sampleBundleRef,
  samplePlan,
} from '../testing/sample-rollout.ts';
import { openRollouts } from '../update/rollouts/index.ts';
import { fleetViewSchema, rolloutViewSchema } from './rollout-views.ts';
import { rolloutRoutes } from './rollouts.ts';

/** Of which a test looks at this much without a schema. */
interface Answer {
  readonly reasons: readonly string[];
  readonly rollouts: readonly unknown[];
  readonly quarantined: readonly unknown[];
}

const stepMs = 10_000;
const reason = { reason: 'a reason', by: 'ada' };

const asJson = { 'content-type': 'application/json; charset=utf-8' };

async function world(watchersMax?: number) {
  const clock = createVirtualClock(1_750_000_000_000);
  const disk = createMemoryRolloutDisk();
  const bundles = [
    sampleBundleRef(incumbentDigest, '1.0.0'),
    sampleBundleRef(candidateDigest, '1.1.0'),
  ] as const;
  const fleet = createModelFleet({ devices: 60, seed: 1, bundles });
  const opened = await openRollouts({
    store: createMemoryEventStore(disk),
    assignments: createMemoryAssignmentStore(disk, fleet.ops),
    ops: fleet.ops,
    devices: fleet.directory,
    bundles: fleet.bundles,
    signer: fleet.signer,
    clock,
    log: silentLog,
  });
  if (!opened.ok) throw new Error(opened.error.message);
  const rollouts = opened.value;
  const silent: DeviceView = {
    device: 'box',
    epoch: 'e',
    firstSeenMs: 0,
    lastSeenMs: clock.nowMs() - 5_000,
    status: undefined,
    online: false,
  };
  const devices = { get: (device: string) => (device === 'box' ? silent : undefined) };
  const app = rolloutRoutes({ rollouts, devices, clock, log: silentLog }, watchersMax);
  const call = async (method: string, path: string, body?: unknown) => {
    const sent = body === undefined ? {} : { headers: asJson, body: JSON.stringify(body) };
    const response = await app.request(path, { method, ...sent });
    return { status: response.status, body: (await response.json()) as Answer };
  };
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      while (clock.runNext(clock.nowMs() + stepMs)) {}
      fleet.step(clock.nowMs());
      await rollouts.turn();
    }
  };
  return { app, call, pass, clock };
}

describe('rollouts over HTTP', () => {
  it('[OPS1] begins one, shows its waves, the gate’s word and why it stands there, and takes orders', async () => {
    const { call, pass } = await world();
    const created = await call('POST', '/rollouts?by=ada', samplePlan({ approvals: 'start' }));
    expect(created.status).toBe(201);
    expect(rolloutViewSchema.parse(created.body)).toMatchObject({
      id: 'digits-1',
      bundle: candidateDigest,
      phase: { kind: 'awaiting-approval', wave: 0 },
      waves: [{ devices: { members: 20 } }, {}, {}],
    });
    expect(created.body.reasons[0]).toContain('approve wave 0');
    const approved = await call('POST', '/rollouts/digits-1/approve', { by: 'ada' });
    expect(approved).toMatchObject({ status: 200, body: { phase: { kind: 'running' } } });
    await pass(60_000);
    const running = rolloutViewSchema.parse((await call('GET', '/rollouts/digits-1')).body);
    expect(running.gate).toMatchObject({ verdict: 'hold' });
    expect(running.gate?.reasons).not.toEqual([]);
    const orders = [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['abort', 'aborted'],
      ['rollback', 'rolling-back'],
    ] as const;
    for (const [order, kind] of orders) {
      const done = await call('POST', `/rollouts/digits-1/${order}`, reason);
      expect(done).toMatchObject({ status: 200, body: { phase: { kind } } });
    }
    await pass(120_000);
    const after = rolloutViewSchema.parse((await call('GET', '/rollouts/digits-1')).body);
    expect(after).toMatchObject({ phase: { kind: 'rolled-back' }, timeToSafe: { owed: 0 } });
    expect((await call('GET', '/rollouts')).body.rollouts).toMatchObject([{ id: 'digits-1' }]);
  });

  it('[OPS2] refuses what is no plan, no order and no rollout, with what is wrong', async () => {
    const { call, app } = await world();
    const plan = samplePlan();
    const pinned = await call('POST', '/rollouts', { ...plan, bundle: digestOf('e') });
    expect(pinned).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    await call('POST', '/rollouts', plan);
    const cases = [
      ['POST', '/rollouts', { ...plan, waves: [] }, 400, 'waves'],
      ['POST', '/rollouts', { ...plan, extra: 1 }, 400, 'extra'],
      ['POST', '/rollouts', plan, 400, 'digits-1'],
      ['POST', '/rollouts?by=', plan, 400, 'by'],
      ['GET', '/rollouts?limit=0', undefined, 400, 'limit'],
      ['GET', '/rollouts/none', undefined, 404, 'none'],
      ['GET', '/rollouts/none/events', undefined, 404, 'none'],
      ['POST', '/rollouts/none/abort', reason, 404, 'none'],
      ['POST', '/rollouts/digits-1/abort', { by: 'ada' }, 400, 'reason'],
      ['POST', '/rollouts/digits-1/approve', {}, 400, 'running'],
      ['POST', '/fleet/quarantine', { ...reason, bundle: 'b' }, 400, 'bundle'],
      ['GET', '/devices/nobody/why', undefined, 404, 'nobody'],
    ] as const;
    for (const [method, path, body, status, word] of cases) {
      const answer = await call(method, path, body);
      expect(answer, path).toMatchObject({
        status,
        body: { error: expect.stringContaining(word) },
      });
    }
    const headers = { 'content-type': 'text/plain' };
    const plain = { method: 'POST', headers, body: JSON.stringify(reason) };
    expect((await app.request('/fleet/stop', plain)).status).toBe(400);
    const large = { ...plan, id: 'x'.repeat(5 * 1024 * 1024) };
    expect((await call('POST', '/rollouts', large)).status).toBe(413);
  });

  it('[OPS3] stops the fleet and quarantines a bundle without a rollout, and undoes both', async () => {
    const { call } = await world();
    expect((await call('GET', '/fleet')).body).toEqual({ quarantined: [] });
    const stopped = await call('POST', '/fleet/stop', reason);
    expect(fleetViewSchema.parse(stopped.body)).toMatchObject({ stopped: { by: 'ada' } });
    const bundle = candidateDigest;
    const quarantined = await call('POST', '/fleet/quarantine', { ...reason, bundle });
    expect(quarantined.body.quarantined).toEqual([{ bundle, reason: reason.reason }]);
    await call('POST', '/fleet/release', { ...reason, bundle });
    expect((await call('POST', '/fleet/resume', reason)).body).toEqual({ quarantined: [] });
  });

  it('[IDN14] records an order by the name of whoever has a token of their own', async () => {
    const { app } = await world();
    const operator = { name: 'bob', role: 'releaser' };
    const body = JSON.stringify(reason);
    await app.request('/fleet/stop', { method: 'POST', headers: asJson, body }, { operator });
    const fleet = fleetViewSchema.parse(await (await app.request('/fleet')).json());
    expect(fleet.stopped).toMatchObject({ by: 'bob', reason: reason.reason });
  });

  it('[OPS4] says why of each device: what rollouts say of it, and what it says of itself', async () => {
    const { call } = await world();
    expect((await call('GET', '/devices/box/why')).body).toEqual({
      device: 'box',
      reasons: ['has been silent for 5 s; what it is told waits for it'],
    });
    await call('POST', '/rollouts', samplePlan());
    const member = await call('GET', '/devices/device-00001/why');
    expect(member.body.reasons).toEqual([expect.stringMatching(/^digits-1: waits for/)]);
  });

  it('[OPS5] tells who watches of each change, and bounds how many do', async () => {
    const { app, call, clock } = await world(1);
    await call('POST', '/rollouts', samplePlan());
    const response = await app.request('/rollouts/digits-1/events');
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const readUntil = async (part: string) => {
      while (!text.includes(part)) text += (await reader?.read())?.value ?? '';
    };
    await readUntil('"kind":"running"');
    expect((await app.request('/rollouts/digits-1/events', { method: 'HEAD' })).status).toBe(200);
    expect((await call('GET', '/rollouts/digits-1/events')).status).toBe(503);
    await call('POST', '/rollouts/digits-1/pause', reason);
    await vi.waitFor(() => expect(clock.runNext(clock.nowMs() + 1_000)).toBe(true));
    await readUntil('"kind":"paused"');
    expect(text.match(/event: rollout/g)).toHaveLength(2);
    await reader?.cancel();
    await vi.waitFor(async () => {
      const next = await app.request('/rollouts/digits-1/events');
      await next.body?.cancel();
      expect(next.status).toBe(200);
    });
  });
});
