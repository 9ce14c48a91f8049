// Epochs that begin by age: who comes late keeps what is its own, nothing comes back, and a wrong date costs little.

import { createRandom, ok, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DocumentChange } from '../messages.ts';
import { createDocumentFleet, type DocumentFleet, digestOf } from '../testing/document-fleet.ts';
import { createInlineEngine } from '../testing/inline-engine.ts';
import {
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryMemberStore,
  type MemoryDocumentDisk,
} from '../testing/memory-documents.ts';
import { authorOf, encodeFrame, type FrameContent } from './frame.ts';
import { type Hub, openHub } from './hub.ts';
import { createReplica } from './replica.ts';
import { whyBeginEpoch } from './retention.ts';

const site = 'site/default';
const names = ['a', 'b', 'c'];
const limits = { historyBytesMax: 1_000_000, horizonMs: 1_000_000, epochGapMs: 10_000 };
const { horizonMs, epochGapMs } = limits;

async function start() {
  const fleet = await createDocumentFleet(names, { limits });
  onTestFinished(() => fleet.close());
  return fleet;
}

const epochOf = async (fleet: DocumentFleet): Promise<number> => {
  return unwrap(await fleet.hub.read(site)).epoch;
};

describe('a document with an old past', () => {
  it.each([
    { bytes: 1_000_001, sinceMs: undefined, nowMs: 0, gapMs: 0, why: 'size' },
    { bytes: 1, sinceMs: 0, nowMs: horizonMs, gapMs: epochGapMs, why: 'age' },
    { bytes: 1, sinceMs: 0, nowMs: horizonMs - 1, gapMs: epochGapMs, why: undefined },
    { bytes: 1, sinceMs: 0, nowMs: horizonMs, gapMs: epochGapMs - 1, why: undefined },
    { bytes: 1, sinceMs: 9 * horizonMs, nowMs: 0, gapMs: epochGapMs, why: undefined },
    { bytes: 1, sinceMs: undefined, nowMs: 9 * horizonMs, gapMs: epochGapMs, why: undefined },
  ])('[DOC16] $bytes bytes since $sinceMs at $nowMs, $gapMs after the last: $why', (each) =>
    expect(whyBeginEpoch(each, limits, each.nowMs, each.gapMs)).toBe(each.why),
  );

  it('[DOC16] whoever was away past the horizon starts anew with its own edits, and revives nothing', async () => {
    const fleet = await start();
    await fleet.device('a').patch(site, { kept: 1, gone: 1, mine: 1 });
    await fleet.exchange();
    await fleet.device('c').patch(site, { mine: 3, new: 3 }); // Away from here on.
    await fleet.device('a').patch(site, { gone: null });
    await fleet.exchange('a', 'b');
    fleet.advance(horizonMs);
    expect(await epochOf(fleet)).toBe(1); // Nothing came: nothing looks at it.
    await fleet.device('c').restart();
    await fleet.exchange();
    const value = { kept: 1, mine: 3, new: 3 };
    for (const name of names)
      expect(await fleet.device(name).read(site)).toMatchObject({ epoch: 2, value });
    expect((await fleet.device('b').read(site)).value).not.toHaveProperty('gone');
    expect(fleet.refused).toEqual([]);
  });

  it('[DOC16] begins anew before the cloud’s own edit too, and a past that there is not is not left behind', async () => {
    const fleet = await start();
    await fleet.device('a').patch(site, { n: 1 });
    await fleet.exchange();
    fleet.advance(horizonMs);
    await fleet.hub.patch(site, { n: 2 });
    await fleet.exchange();
    expect(await epochOf(fleet)).toBe(2);
    fleet.advance(horizonMs); // The cloud's edit is a past again.
    await fleet.device('b').restart();
    await fleet.exchange();
    expect(await epochOf(fleet)).toBe(3);
    for (let i = 0; i < 3; i++) {
      fleet.advance(9 * horizonMs);
      await fleet.restartHub();
      fleet.advance(epochGapMs);
      for (const name of names) await fleet.device(name).restart();
      await fleet.exchange();
    }
    expect(await epochOf(fleet)).toBe(3);
    expect((await fleet.device('c').read(site)).value).toEqual({ n: 2 });
  });

  it('[DOC16] begins anew once in a gap at most, however the date jumps', async () => {
    const fleet = await start();
    await fleet.device('a').patch(site, { i: -1 });
    await fleet.exchange();
    fleet.advance(epochGapMs);
    const jumps = 20;
    for (let i = 0; i < jumps; i++) {
      fleet.setHubAhead(i % 2 === 0 ? 5 * horizonMs : 0);
      await fleet.device('a').patch(site, { i });
      await fleet.exchange();
      fleet.advance(epochGapMs / jumps - 1);
    }
    expect(await epochOf(fleet)).toBe(2);
    // Recorded by a date that was ahead, it ages from the first record by the right one.
    fleet.setHubAhead(0);
    await fleet.device('a').patch(site, { i: jumps });
    await fleet.exchange();
    fleet.advance(horizonMs);
    await fleet.device('a').patch(site, { i: jumps + 1 });
    await fleet.exchange();
    expect(await epochOf(fleet)).toBe(3);
  });

  it('[DOC16] of two coordinators on one database one alone begins the next, also at once', async () => {
    const { disk, clock, open } = database();
    const hubs = [await open(1), await open(2)];
    await hubs[0]?.patch(site, { n: 0 });
    await hubs[1]?.read(site);
    clock.runNext(horizonMs);
    await Promise.all(hubs.map((hub, i) => hub.patch(site, { [`by${i}`]: 1 })));
    for (const hub of hubs)
      expect(unwrap(await hub.read(site))).toMatchObject({ epoch: 2, value: { n: 0 } });
    expect(disk.documents.get(site)?.epoch).toBe(2);
  });

  it('[DOC16] what one coordinator noted of the members stands, whatever another knew', async () => {
    const { disk, clock, open, replicaOf } = database();
    const device = replicaOf('a', createMemoryDocumentDisk(), 3).replica;
    const first = await open(1);
    const edit = async (patch: object) => {
      const before = unwrap(await device.state(site));
      const { heads } = unwrap(await device.patch(site, patch, 'all'));
      const changes = [...unwrap(await device.since(site, before.heads))];
      await first.receive('a', shown(1, heads, { kind: 'changes', changes }));
      return heads;
    };
    await edit({ early: 1 });
    const second = await open(2);
    unwrap(await second.read(site));
    const heads = await edit({ late: 1 });
    clock.runNext(horizonMs);
    await first.patch(site, { by: 1 });
    await second.patch(site, { too: 1 });
    expect(disk.documents.get(site)?.epoch).toBe(2);
    // Else a device that was away would make its edit again, though the cloud has had it.
    expect(disk.members.get(`${site} a`)).toMatchObject({ basisEpoch: 1, basis: heads });
  });

  it('[DOC16] a coordinator that hears of the next epoch from a device begins none', async () => {
    const { disk, clock, open } = database();
    const first = await open(1);
    const second = await open(2);
    await first.patch(site, { n: 0 });
    unwrap(await second.read(site));
    clock.runNext(horizonMs);
    await first.patch(site, { n: 1 });
    expect(disk.documents.get(site)?.epoch).toBe(2);
    await second.receive('a', shown(2, [], { kind: 'nothing' }));
    expect(disk.documents.get(site)?.epoch).toBe(2);
    expect(unwrap(await second.read(site)).value).toEqual({ n: 1 });
  });
});

/** One that several coordinators open. */
function database() {
  const disk = createMemoryDocumentDisk();
  const clock = createVirtualClock();
  const replicaOf = (name: string, of: MemoryDocumentDisk, seed: number) => {
    const log = createMemoryDocumentLog(of);
    const engine = createInlineEngine();
    const author = authorOf(name, digestOf);
    const random = createRandom(seed);
    return {
      log,
      replica: createReplica({ engine, log, random, clock, author, onChanged() {} }),
    };
  };
  const open = async (seed: number): Promise<Hub> => {
    const members = createMemoryMemberStore(disk);
    const append = async () => ok(1);
    const ports = { ...replicaOf('cloud', disk, seed), members, append, digestOf, clock };
    return unwrap(await openHub({ ...ports, trace: silentLog }, limits));
  };
  return { disk, clock, open, replicaOf };
}

/** What a device sends. */
function shown(epoch: number, heads: readonly string[], content: FrameContent): DocumentChange {
  const frame = { document: site, epoch, heads: [...heads], id: 1, content };
  const sealed = unwrap(encodeFrame(frame, digestOf));
  return { kind: 'document-change', document: site, frame: sealed };
}
