// The queue of accepted ops that wait for their consumer: a coordinator's store has one, and a relay's.

import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CoordinatorStore } from '../ports.ts';
import { sampleDocumentChange, sampleExchange } from './samples.ts';

export type OpenOpsStore = Pick<
  CoordinatorStore,
  'accept' | 'openOps' | 'closeOps' | 'quarantineOp' | 'quarantined'
>;

/** One empty database. `open` after `close` is a restart. */
export interface OpenOpsDisk {
  open(): OpenOpsStore | Promise<OpenOpsStore>;
  close(): void | Promise<void>;
}

/** `document`: one whose changes the store takes. */
export function openOpsContract(
  name: string,
  createDisk: () => OpenOpsDisk | Promise<OpenOpsDisk>,
  document = 'device/notes',
): void {
  const body = sampleDocumentChange(document);
  const fresh = async () => {
    const disk = await createDisk();
    onTestFinished(() => disk.close());
    let store = await disk.open();
    let seq = 0;
    return {
      /** So many ops more. */
      async accept(ops: number) {
        const assigned = { urgent: 0, normal: 99, bulk: 0 };
        const more = Array.from({ length: ops }, () => ({ seq: ++seq, atMs: seq, body }));
        unwrap(await store.accept(sampleExchange({ assigned, ops: more }), 5));
      },
      /** By the time at which each was appended: this tells them apart. */
      async open(opsMax = 9) {
        const found = unwrap(await store.openOps('document-change', opsMax));
        for (const op of found) expect(op).toMatchObject({ device: 'device-1', body });
        return new Map(found.map(({ atMs, id }) => [atMs, id]));
      },
      closeOps: async (ids: readonly number[]) => unwrap(await store.closeOps(ids)),
      quarantine: async (id: number | undefined) =>
        unwrap(await store.quarantineOp(id ?? 0, 'no such document', 7)),
      quarantined: async () => unwrap(await store.quarantined()),
      async restart() {
        await disk.close();
        store = await disk.open();
      },
    };
  };

  describe(`${name}: open ops`, () => {
    it('[ACC9] wait in order of arrival until they are closed, over a restart; twice is harmless', async () => {
      const { accept, open, closeOps, restart } = await fresh();
      await accept(2);
      expect([...(await open()).keys()]).toEqual([1, 2]);
      expect([...(await open(1)).keys()]).toEqual([1]);
      await restart();
      const [first = 0] = (await open()).values();
      for (let i = 0; i < 2; i++) await closeOps([first]);
      expect([...(await open()).keys()]).toEqual([2]);
      await closeOps([]);
      await accept(1);
      expect([...(await open()).keys()]).toEqual([2, 3]);
    });

    it('[ACC9] have an id that no other op ever has, not after all were closed, not after a restart', async () => {
      const { accept, open, closeOps, restart } = await fresh();
      const seen = new Set<number>();
      for (let i = 1; i <= 3; i++) {
        await accept(1);
        const [id = 0] = (await open()).values();
        await closeOps([...seen]); // Whoever closes late closes nobody else's.
        expect((await open()).size).toBe(1);
        await closeOps([id]);
        seen.add(id);
        await restart();
      }
      expect(seen.size).toBe(3);
    });

    it('[QUA3] one that its consumer will never take is put aside, over a restart; twice is harmless', async () => {
      const { accept, open, closeOps, quarantine, quarantined, restart } = await fresh();
      await accept(3);
      const ids = await open();
      for (let i = 0; i < 2; i++) await quarantine(ids.get(2));
      expect([...(await open()).keys()]).toEqual([1, 3]);
      await closeOps([...ids.values()]);
      await restart();
      expect((await open()).size).toBe(0);
      expect(await quarantined()).toBe(1);
    });

    it('[QUA3] any number are put aside, also where none waits between', async () => {
      const { accept, open, quarantine, quarantined, restart } = await fresh();
      for (let i = 1; i <= 3; i++) {
        await accept(1);
        await quarantine((await open()).get(i));
        await restart();
        expect((await open()).size).toBe(0);
        expect(await quarantined()).toBe(i);
      }
    });
  });
}
