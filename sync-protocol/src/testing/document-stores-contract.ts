// What every store of documents must do, whatever its disk: the log on both sides, the follower's store on the device,
// the members' in the cloud. An adapter's whole test is one call for each port that it is.

import type { Result } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Heads } from '../documents/engine.ts';
import { inboxFramesMax } from '../documents/follower.ts';
import {
  type DocumentLog,
  type Quarantined,
  quarantinedBytesMax,
  quarantinedEntriesMax,
  type Rewrite,
} from '../documents/log.ts';
import type { Member, MemberStore } from '../documents/members.ts';
import type { FollowerStore } from '../documents/take-received.ts';

/** One empty disk. `open` after `close` is a restart. */
export interface DocumentDisk<Store> {
  open(): Store | Promise<Store>;
  close(): void | Promise<void>;
}

/** What lies in quarantine is for a person, not for the port: each adapter's test says how it is looked at. Oldest first. */
export type InspectedLog = DocumentLog & { quarantined(): Promise<readonly Quarantined[]> };

const twin = 'device/box';
const site = 'site/north';

export function documentLogContract(
  name: string,
  createDisk: () => DocumentDisk<InspectedLog>,
): void {
  const fresh = opener(createDisk);

  describe(`${name}: a DocumentLog`, () => {
    it('[DLG1] of what nobody has recorded: epoch 1, version 0, without heads', async () => {
      const { store } = await fresh();
      const nothing = {
        epoch: 1,
        version: 0,
        heads: [],
        sinceMs: undefined,
        save: undefined,
        changes: [],
      };
      expect(await load(store, twin)).toEqual(nothing);
    });

    it('[DLG1] keeps changes in their order and the last heads, over a restart, each document its own', async () => {
      const { store, reopen } = await fresh();
      expect(await done(store.append(twin, 0, [bytes(1), bytes(2)], at(['a'])))).toBe(true);
      expect(await done(store.append(twin, 1, [bytes(3)], at(['b', 'c'])))).toBe(true);
      expect(await done(store.append(site, 0, [bytes(9)], at(['z'])))).toBe(true);
      const recorded = {
        epoch: 1,
        version: 2,
        heads: ['b', 'c'],
        sinceMs: 1_000,
        save: undefined,
        changes: [[1], [2], [3]],
      };
      expect(await load(store, twin)).toEqual(recorded);
      const again = await reopen();
      expect(await load(again, twin)).toEqual(recorded);
      expect(await load(again, site)).toMatchObject({ version: 1, changes: [[9]] });
    });

    it('[DLG1] of a view, keeps exactly its bytes', async () => {
      const { store } = await fresh();
      const whole = bytes(0, 1, 2, 3);
      await done(store.append(twin, 0, [whole.subarray(1, 3)], at(['a'])));
      expect(await load(store, twin)).toMatchObject({ changes: [[1, 2]] });
      await done(store.rewrite(twin, 1, saved(2, ['b'], whole.subarray(2))));
      expect(await load(store, twin)).toMatchObject({ save: [2, 3] });
    });

    it('[DLG2] a save takes the place of all that is held, and changes follow it', async () => {
      const { store, reopen } = await fresh();
      await done(store.append(twin, 0, [bytes(1)], at(['a'])));
      await done(store.append(site, 0, [bytes(9)], at(['z'])));
      expect(await done(store.rewrite(twin, 1, saved(4, ['b'], bytes(7, 7))))).toBe(true);
      expect(await done(store.append(twin, 2, [bytes(8)], at(['c'])))).toBe(true);
      const again = await reopen();
      expect(await load(again, twin)).toEqual({
        epoch: 4,
        version: 3,
        heads: ['c'],
        sinceMs: 1_000,
        save: [7, 7],
        changes: [[8]],
      });
      expect(await load(again, site)).toMatchObject({ changes: [[9]] });
    });

    it('[DLG7] keeps since when there are changes past the beginning, as it was told last, over a restart', async () => {
      const { store, reopen } = await fresh();
      await done(store.append(twin, 0, [bytes(1)], at(['a'], 1_700_000_000_000)));
      await done(store.append(site, 0, [bytes(9)], at(['z'], 5)));
      await done(store.append(twin, 1, [bytes(2)], at(['b'], 7)));
      const again = await reopen();
      expect(await load(again, twin)).toMatchObject({ sinceMs: 7 });
      expect(await load(again, site)).toMatchObject({ sinceMs: 5 });
      await done(again.rewrite(twin, 2, { ...saved(1, ['b'], bytes(3)), sinceMs: 8 }));
      expect(await load(again, twin)).toMatchObject({ sinceMs: 8 });
      await done(again.rewrite(twin, 3, saved(2, ['c'], bytes(4))));
      expect((await load(await reopen(), twin)).sinceMs).toBeUndefined();
    });

    it('[DLG2] a save may be the first that is recorded', async () => {
      const { store } = await fresh();
      expect(await done(store.rewrite(twin, 0, saved(3, ['b'], bytes(7))))).toBe(true);
      expect(await load(store, twin)).toMatchObject({ epoch: 3, version: 1, save: [7] });
    });

    it('[DLG3] what builds on another version changes nothing', async () => {
      const { store } = await fresh();
      await done(store.append(twin, 0, [bytes(1)], at(['a'])));
      const before = await load(store, twin);
      for (const version of [0, 2]) {
        expect(await done(store.append(twin, version, [bytes(5)], at(['x'])))).toBe(false);
        expect(await done(store.rewrite(twin, version, saved(9, ['x'], bytes(5))))).toBe(false);
      }
      expect(await load(store, twin)).toEqual(before);
      expect(await done(store.append(twin, 1, [], at(['b'])))).toBe(true);
      expect(await load(store, twin)).toMatchObject({ version: 2, heads: ['b'], changes: [[1]] });
    });

    it('[DLG3] of two that write at once one alone does, also at the very first', async () => {
      const { store } = await fresh();
      for (const version of [0, 1, 2]) {
        const both = [1, 2].map((writer) =>
          done(store.append(twin, version, [bytes(writer)], at([`${version}-${writer}`]))),
        );
        expect((await Promise.all(both)).sort()).toEqual([false, true]);
        const { changes } = await load(store, twin);
        expect(changes).toHaveLength(version + 1);
      }
    });

    it('[DOC14] keeps the newest in quarantine, so many and so much of each, over a restart', async () => {
      const { store, reopen } = await fresh();
      const refused = { document: twin, source: 'box', reason: 'poison', bytes: bytes(1), atMs: 5 };
      for (let i = 0; i < quarantinedEntriesMax + 2; i++)
        await done(store.quarantine({ ...refused, reason: `poison ${i}` }));
      const large = new Uint8Array(quarantinedBytesMax + 1).fill(3);
      await done(store.quarantine({ ...refused, document: site, source: 'cloud', bytes: large }));
      const kept = await (await reopen()).quarantined();
      expect(kept).toHaveLength(quarantinedEntriesMax);
      expect(kept[0]).toMatchObject({ ...refused, reason: 'poison 3', bytes: expect.anything() });
      expect(kept.at(-1)).toMatchObject({ document: site, source: 'cloud', atMs: 5 });
      expect([...(kept[0]?.bytes ?? [])]).toEqual([1]);
      expect(kept.at(-1)?.bytes).toHaveLength(quarantinedBytesMax);
    });
  });
}

export function followerStoreContract(
  name: string,
  createDisk: () => DocumentDisk<FollowerStore>,
): void {
  const fresh = opener(createDisk);
  const positions = (store: FollowerStore) => store.received().map(({ position }) => position);
  const frame = (position: number) => ({ position, document: twin, frame: bytes(position % 256) });

  describe(`${name}: a FollowerStore`, () => {
    it('[DLG4] holds frames oldest first until they are forgotten, over a restart', async () => {
      const { store, reopen } = await fresh();
      expect(store.received()).toEqual([]);
      for (const position of [3, 5, 9]) store.receive(frame(position));
      store.receive({ position: 12, document: site, frame: bytes(0, 1, 2).subarray(1) });
      store.forget([5, 4_000]);
      const again = await reopen();
      expect(positions(again)).toEqual([3, 9, 12]);
      const last = again.received().at(-1);
      expect({ ...last, frame: [...(last?.frame ?? [])] }).toEqual({
        position: 12,
        document: site,
        frame: [1, 2],
      });
      again.forget([3, 9, 12]);
      expect(again.received()).toEqual([]);
    });

    it('[DLG4] of too many the oldest goes', async () => {
      const { store } = await fresh();
      for (let position = 1; position <= inboxFramesMax + 3; position++)
        store.receive(frame(position));
      expect(store.received()).toHaveLength(inboxFramesMax);
      expect(positions(store)[0]).toBe(4);
    });

    it('[DLG5] knows what the hub has last shown of each document, over a restart', async () => {
      const { store, reopen } = await fresh();
      expect(store.hubHeads(twin)).toEqual([]);
      store.noteHubHeads(twin, ['a', 'b']);
      store.noteHubHeads(site, ['z']);
      store.noteHubHeads(twin, ['c']);
      const again = await reopen();
      expect(again.hubHeads(twin)).toEqual(['c']);
      expect(again.hubHeads(site)).toEqual(['z']);
      again.noteHubHeads(twin, []);
      expect(again.hubHeads(twin)).toEqual([]);
    });
  });
}

export function memberStoreContract(
  name: string,
  createDisk: () => DocumentDisk<MemberStore>,
): void {
  const fresh = opener(createDisk);
  const member = (document: string, device: string, position = 0): Member => ({
    document,
    device,
    epoch: 2,
    heads: ['a', 'b'],
    basisEpoch: 1,
    basis: ['c'],
    position,
  });
  const all = async (store: MemberStore) =>
    [...(await done(store.load()))].sort((a, b) =>
      `${a.document} ${a.device}` < `${b.document} ${b.device}` ? -1 : 1,
    );

  describe(`${name}: a MemberStore`, () => {
    it('[DLG6] keeps of each member of a document what was saved last, over a restart', async () => {
      const { store, reopen } = await fresh();
      expect(await all(store)).toEqual([]);
      for (const each of [member(twin, 'box'), member(site, 'box'), member(site, 'box-2')])
        await done(store.save(each));
      const moved = { ...member(site, 'box', 7), epoch: 3, heads: [], basisEpoch: 3, basis: ['d'] };
      await done(store.save(moved));
      expect(await all(await reopen())).toEqual([
        member(twin, 'box'),
        moved,
        member(site, 'box-2'),
      ]);
    });

    it('[DLG6] forgets one of one document; forgetting twice is harmless', async () => {
      const { store, reopen } = await fresh();
      for (const each of [member(twin, 'box'), member(site, 'box'), member(site, 'box-2')])
        await done(store.save(each));
      await done(store.remove(site, 'box'));
      await done(store.remove(site, 'box'));
      expect(await all(await reopen())).toEqual([member(twin, 'box'), member(site, 'box-2')]);
    });
  });
}

/** A disk for one test, closed at its end. */
const opener =
  <Store>(createDisk: () => DocumentDisk<Store>) =>
  async () => {
    const disk = createDisk();
    onTestFinished(() => disk.close());
    const reopen = async () => {
      await disk.close();
      return disk.open();
    };
    return { store: await disk.open(), reopen };
  };

const at = (heads: Heads, sinceMs = 1_000) => ({ heads, sinceMs });

const saved = (epoch: number, heads: Heads, save: Uint8Array): Rewrite => ({
  epoch,
  heads,
  sinceMs: undefined,
  save,
});

const bytes = (...of: number[]): Uint8Array => Uint8Array.from(of);

async function done<T>(result: Promise<Result<T>>): Promise<T> {
  const settled = await result;
  if (!settled.ok) throw new Error(settled.error.message);
  return settled.value;
}

/** With plain arrays, since adapters may give Buffers. */
async function load(log: DocumentLog, document: string) {
  const recorded = await done(log.load(document));
  return {
    ...recorded,
    save: recorded.save && [...recorded.save],
    changes: recorded.changes.map((change) => [...change]),
  };
}
