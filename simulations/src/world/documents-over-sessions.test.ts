// The hub and three followers over the production session and exchange handler, through a pipe that loses, repeats and
// reorders: they come to rest with equal heads.

import { createRandom, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  createExchangeHandler,
  createSession,
  type ExchangeHandler,
  serveExchanges,
} from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { createFollower, createReplica, openHub } from '@skerry/sync-protocol/documents';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryFollowerStore,
  createMemoryMemberStore,
  createMemoryPipe,
  createVirtualClock,
} from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';

const site = 'site/harbour';
const names = ['a', 'b', 'c'];

it.each([1, 2, 3])('[DOC1] converges over a pipe that loses a third, seed %i', async (seed) => {
  const clock = createVirtualClock();
  const random = createRandom(seed);
  let healed = false;
  const pipe = createMemoryPipe(clock, () => {
    if (healed) return [10];
    const draw = random.next();
    if (draw < 0.33) return [];
    return draw < 0.6 ? [random.below(400), random.below(400)] : [random.below(200)];
  });
  const engines = [...names, 'hub'].map(() => createWorkerEngine());
  const engineOf = (place: number) => {
    const engine = engines[place];
    if (engine === undefined) throw new Error('no engine');
    return engine;
  };
  onTestFinished(async () => {
    for (const engine of engines) await engine.close();
  });
  const store = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  const disk = createMemoryDocumentDisk();
  const log = createMemoryDocumentLog(disk);
  const replica = createReplica({
    engine: engineOf(names.length),
    log,
    random,
    clock,
    author: '0'.repeat(16),
    onChanged() {},
  });
  const transport = pipe.listen();
  const opened = await openHub({
    replica,
    log,
    members: createMemoryMemberStore(disk),
    async append(device, body) {
      const appended = await store.append(device, body, clock.nowMs());
      handler.news(device);
      return appended;
    },
    digestOf: sha256,
    clock,
    trace: silentLog,
  });
  if (!opened.ok) throw new Error(opened.error.message);
  const hub = opened.value;
  const handler: ExchangeHandler = createExchangeHandler({
    store,
    clock,
    onExchange: ({ device, cursor }) => hub.heard(device, cursor),
    onAccepted(device, fresh) {
      for (const { body } of fresh)
        if (body.kind === 'document-change') void hub.receive(device, body);
    },
    hint: (device, message) => void transport.send(device, message),
  });
  serveExchanges(transport, handler, silentLog);

  const devices = names.map((name, place) => {
    const deviceStore = createMemoryDeviceStore(createMemoryDeviceDisk(name, `epoch-${name}`));
    const mine = createMemoryDocumentDisk();
    const kept = createMemoryFollowerStore(mine);
    const own = createReplica({
      engine: engineOf(place),
      log: createMemoryDocumentLog(mine),
      random,
      clock,
      author: sha256(new TextEncoder().encode(name)).slice(7, 23),
      onChanged: (document) => follower.changed(document),
    });
    const follower = createFollower({
      replica: own,
      log: createMemoryDocumentLog(mine),
      store: kept,
      documents: [site],
      of: 'coordinator',
      append(body) {
        const appended = deviceStore.append(body, clock.nowMs());
        session.notifyAppended();
        return appended;
      },
      acknowledged: (seq) => !deviceStore.unacknowledged(64, 1e6).some((op) => op.seq <= seq),
      digestOf: sha256,
      clock,
      frameId: () => random.uint32(),
      trace: silentLog,
    });
    const session = createSession({
      store: deviceStore,
      transport: pipe.connect(name),
      clock,
      random,
      log: silentLog,
      effect({ position, body }) {
        if (body.kind === 'document-change')
          kept.receive({ position, document: body.document, frame: body.frame });
      },
      onApplied: () => follower.arrived(),
    });
    return { name, own, follower };
  });

  const settle = async (untilMs: number): Promise<void> => {
    for (;;) {
      for (let i = 0; i < 4; i++) {
        for (const { follower } of devices) await follower.idle();
        await hub.idle();
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (!clock.runNext(untilMs)) return;
    }
  };
  for (let i = 0; i < 4; i++) {
    for (const { name, own } of devices)
      await own.patch(site, { [name]: { n: i }, shared: i }, 'all');
    await settle(clock.nowMs() + 2_000);
  }
  healed = true;
  await settle(clock.nowMs() + 120_000);
  const view = await hub.read(site);
  if (!view.ok) throw new Error(view.error.message);
  expect(view.value.value).toMatchObject({ a: { n: 3 }, b: { n: 3 }, c: { n: 3 } });
  for (const { own } of devices) {
    const mine = await own.read(site);
    if (!mine.ok) throw new Error(mine.error.message);
    expect([...mine.value.heads].sort()).toEqual([...view.value.heads].sort());
  }
  for (const { follower } of devices) follower.close();
});
