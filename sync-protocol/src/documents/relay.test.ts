// A hub that is a relay's, and a follower of one: what they leave to the coordinator.

import { createRandom, ok, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import type { DocumentChange } from '../messages.ts';
import { digestOf } from '../testing/document-fleet.ts';
import { createInlineEngine } from '../testing/inline-engine.ts';
import {
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryFollowerStore,
  createMemoryMemberStore,
} from '../testing/memory-documents.ts';
import { createFollower } from './follower.ts';
import { authorOf, decodeFrame, encodeFrame, type Frame, partsOf } from './frame.ts';
import { openHub } from './hub.ts';
import { createReplica, type Replica } from './replica.ts';

const site = 'site/north';
const clock = createVirtualClock();

function replicaOf(name: string) {
  const disk = createMemoryDocumentDisk();
  const log = createMemoryDocumentLog(disk);
  const author = authorOf(name, digestOf);
  const random = createRandom(name.length);
  const engine = createInlineEngine();
  const replica = createReplica({ engine, log, random, clock, author, onChanged() {} });
  return { disk, log, replica };
}

async function openRelayHub() {
  const { disk, log, replica } = replicaOf('relay');
  const said: Frame[] = [];
  const members = createMemoryMemberStore(disk);
  const hub = unwrap(
    await openHub(
      {
        replica,
        log,
        members,
        relays: site,
        async append(_device, { frame }) {
          said.push(unwrap(decodeFrame(frame, digestOf)));
          return ok(said.length);
        },
        digestOf,
        clock,
        trace: silentLog,
      },
      { historyBytesMax: 1, horizonMs: 0, epochGapMs: 0 },
    ),
  );
  return { hub, replica, disk, said };
}

/** What a device would send of its replica. */
async function shownBy(replica: Replica, more: Partial<Frame> = {}): Promise<DocumentChange> {
  const { epoch, heads } = unwrap(await replica.state(site));
  const changes = [...unwrap(await replica.since(site, []))];
  const content = { kind: 'changes', changes } as const;
  const frame = { document: site, epoch, heads: [...heads], id: 7, content, ...more };
  const document = more.document ?? site;
  return { kind: 'document-change', document, frame: unwrap(encodeFrame(frame, digestOf)) };
}

it('[RLY3] a relay passes on, answers, and neither begins an epoch nor replaces a replica', async () => {
  const { hub, replica, disk, said } = await openRelayHub();
  const box = replicaOf('box').replica;
  unwrap(await box.patch(site, { a: 1 }, 'all'));
  await hub.receive('box', await shownBy(box));
  expect(unwrap(await hub.read(site)).value).toEqual({ a: 1 });
  expect(said).toMatchObject([{ answers: 7, epoch: 1, content: { kind: 'nothing' } }]);
  unwrap(await replica.patch(site, { b: 2 }, 'all'));
  hub.heard('box', 1);
  hub.changed(site);
  await hub.idle();
  expect(said).toHaveLength(2);
  expect(said[1]).toMatchObject({ epoch: 1, content: { kind: 'changes' } });
  // Refused is not answered: the coordinator has the word on it.
  await hub.receive('box', await shownBy(box, { content: changesOf(Uint8Array.of(1, 2, 3)) }));
  expect(said).toHaveLength(2);
  expect(disk.quarantined).toHaveLength(1);
  expect(said.filter(({ replaces }) => replaces !== undefined)).toEqual([]);
});

it('[RLY3] a follower lets no relay replace its replica', async () => {
  const { disk, log, replica } = replicaOf('box');
  unwrap(await replica.patch(site, { mine: 1 }, 'all'));
  const before = unwrap(await replica.state(site));
  const other = replicaOf('other').replica;
  unwrap(await other.patch(site, { theirs: 1 }, 'all'));
  unwrap(await other.beginEpoch(site, 1, 5));
  const [content] = unwrap(partsOf(unwrap(await other.save(site)), digestOf));
  const store = createMemoryFollowerStore(disk);
  for (const of of ['relay', 'coordinator'] as const) {
    const replaces = { basis: [] };
    const { frame } = await shownBy(other, { replaces, ...(content && { content }) });
    store.receive({ position: 1, document: site, frame });
    const follower = createFollower({
      replica,
      log,
      store,
      documents: [site],
      of,
      append: () => ok(1),
      acknowledged: () => false,
      digestOf,
      clock,
      frameId: () => 1,
      trace: silentLog,
    });
    await follower.idle();
    follower.close();
    const now = unwrap(await replica.state(site));
    if (of === 'relay') {
      expect(now).toEqual(before);
      expect(disk.quarantined).toMatchObject([{ source: 'relay' }]);
    } else expect(now.epoch).toBe(5); // The very frame, from whom it may come.
  }
});

it('[RLY4] between epochs nothing is passed on, and all is once they are one', async () => {
  const { hub, replica, said } = await openRelayHub();
  const box = replicaOf('box').replica;
  unwrap(await box.patch(site, { a: 1 }, 'all'));
  unwrap(await box.beginEpoch(site, 1, 3));
  unwrap(await replica.patch(site, { b: 2 }, 'all'));
  await hub.receive('box', await shownBy(box));
  expect(unwrap(await replica.state(site)).epoch).toBe(1);
  expect(said).toEqual([]);
  // The relay hears of it from the coordinator.
  unwrap(await replica.replace(site, 3, unwrap(await box.save(site)), []));
  hub.changed(site);
  await hub.idle();
  expect(said).toMatchObject([{ epoch: 3 }]);
  await hub.receive('box', await shownBy(box, { epoch: 2 }));
  expect(said).toHaveLength(1);
});

it('[RLY2] a relay’s hub takes no other document, not even one of the sender’s', async () => {
  const { hub, disk } = await openRelayHub();
  const box = replicaOf('box').replica;
  unwrap(await box.patch(site, { a: 1 }, 'all'));
  for (const document of ['site/south', 'device/box', 'fleet/policy'])
    await hub.receive('box', await shownBy(box, { document }));
  expect(disk.quarantined).toHaveLength(3);
  expect(disk.documents.size).toBe(0);
});

const changesOf = (change: Uint8Array): Frame['content'] => {
  return { kind: 'changes', changes: [change] };
};
