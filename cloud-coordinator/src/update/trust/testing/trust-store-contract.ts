// What every TrustStore must do, whatever its disk. An adapter's whole test is one call.

import { describe, expect, it } from 'vitest';
import type { Head, TrustStore } from '../trust-store.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** `createDisk` makes one empty disk, and says how it is opened: each opening finds what was there. */
export function trustStoreContract(name: string, createDisk: () => () => TrustStore): void {
  describe(`${name}: TrustStore`, () => {
    const timestamp = `sha256:${'0'.repeat(64)}`;
    const head = (revision: number): Head => ({ revision, files: {}, timestamp });

    it('[TUF3] a head is there over restarts, and replaces the one before it alone', async () => {
      const open = createDisk();
      expect(await open().head()).toEqual({ ok: true, value: undefined });
      for (const revision of [1, 2, 3]) expect((await open().commit(head(revision))).ok).toBe(true);
      for (const late of [1, 3, 5])
        expect(await open().commit(head(late))).toMatchObject({
          ok: false,
          error: { code: 'overloaded' },
        });
      expect(await open().head()).toEqual({ ok: true, value: head(3) });
    });

    it('[TUF3] of many that publish at once one does', async () => {
      const open = createDisk();
      const store = open();
      const done = await Promise.all(Array.from({ length: 8 }, () => store.commit(head(1))));
      expect(done.filter(({ ok }) => ok)).toHaveLength(1);
    });

    it('[TUF3] gives back the bytes by their digest, over restarts', async () => {
      const open = createDisk();
      const written = await open().write(text('one'));
      await open().write(text('one'));
      if (!written.ok) throw new Error(written.error.message);
      expect(await open().read(written.value)).toEqual({ ok: true, value: text('one') });
      expect(await open().read(timestamp)).toMatchObject({
        ok: false,
        error: { code: 'not_found' },
      });
    });

    it('keeps what it is told to keep', async () => {
      const store = createDisk()();
      const kept = await store.write(text('kept'));
      if (!kept.ok) throw new Error(kept.error.message);
      expect((await store.prune(new Set([kept.value]))).ok).toBe(true);
      expect((await store.read(kept.value)).ok).toBe(true);
    });
  });
}
