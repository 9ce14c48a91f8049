// A follower among faults: bugs of ours, and a disk that takes no more.

import { createRandom, ok, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { digestOf } from '../testing/document-fleet.ts';
import { createInlineEngine } from '../testing/inline-engine.ts';
import {
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryFollowerStore,
} from '../testing/memory-documents.ts';
import { createFollower } from './follower.ts';
import { authorOf, encodeFrame, type Frame } from './frame.ts';
import { createReplica, type Replica } from './replica.ts';
import type { FollowerStore } from './take-received.ts';

const site = 'site/north';
const pollMs = 5_000;

function replicaOf(name: string) {
  const disk = createMemoryDocumentDisk();
  const log = createMemoryDocumentLog(disk);
  const author = authorOf(name, digestOf);
  const random = createRandom(name.length);
  const engine = createInlineEngine();
  const clock = createVirtualClock();
  const replica = createReplica({ engine, log, random, clock, author, onChanged() {} });
  return { disk, log, replica };
}

/** One that has received the same change of the hub's in two frames, behind these faults. */
async function fresh(faults: {
  readonly replica?: (mine: Replica) => Partial<Replica>;
  readonly store?: (mine: FollowerStore) => Partial<FollowerStore>;
}) {
  const clock = createVirtualClock();
  const hub = replicaOf('hub').replica;
  unwrap(await hub.patch(site, { a: 1 }, 'all'));
  const { epoch, heads } = unwrap(await hub.state(site));
  const content: Frame['content'] = {
    kind: 'changes',
    changes: [...unwrap(await hub.since(site, []))],
  };
  const frame = unwrap(
    encodeFrame({ document: site, epoch, heads: [...heads], id: 7, content }, digestOf),
  );
  const { disk, log, replica } = replicaOf('box');
  const store = createMemoryFollowerStore(disk);
  for (const position of [1, 2]) store.receive({ position, document: site, frame });
  const sent: Uint8Array[] = [];
  const follower = createFollower({
    replica: { ...replica, ...faults.replica?.(replica) },
    log,
    store: { ...store, ...faults.store?.(store) },
    documents: [site],
    of: 'coordinator',
    append: (body) => ok(sent.push(body.frame)),
    acknowledged: () => true,
    digestOf,
    clock,
    frameId: () => 1,
    trace: silentLog,
  });
  onTestFinished(follower.close);
  const value = async () => unwrap(await replica.read(site)).value;
  return { clock, disk, store, sent, follower, value };
}

it('[QUA4] a frame that a follower throws at is put aside, and those behind it are taken', async () => {
  let throws = true;
  const { disk, store, sent, follower, value } = await fresh({
    replica: (mine) => ({
      integrate(...call) {
        if (!throws) return mine.integrate(...call);
        throws = false;
        return Promise.reject(new Error('a bug'));
      },
    }),
  });
  await follower.idle();
  expect(await value()).toEqual({ a: 1 });
  expect(store.received()).toEqual([]);
  expect(disk.quarantined).toMatchObject([{ document: site, reason: 'a bug' }]);
  expect(sent).toHaveLength(1); // The hub is asked what was in it.
});

it('[DLG4] while the disk takes no more the frames lie there, and are taken when it does', async () => {
  let isFull = true;
  const { clock, store, follower, value } = await fresh({
    store: (mine) => ({
      forget(positions) {
        if (isFull) throw new Error('database or disk is full');
        mine.forget(positions);
      },
    }),
  });
  await follower.idle();
  expect(store.received()).toHaveLength(2);
  isFull = false;
  expect(clock.runNext(clock.nowMs() + pollMs)).toBe(true);
  await vi.waitFor(() => expect(store.received()).toEqual([]));
  expect(await value()).toEqual({ a: 1 });
});
