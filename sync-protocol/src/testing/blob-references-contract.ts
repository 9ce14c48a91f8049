// What every BlobReferences must do, whatever its disk. An adapter's whole test is one call.

import { describe, expect, it } from 'vitest';
import type { BlobReferences } from '../blobs/blob-store.ts';
import { sampleBlob } from './sample-blob.ts';

/** `createDisk` makes one empty disk, and says how it is opened: each opening finds what was there. */
export function blobReferencesContract(
  name: string,
  createDisk: () => Promise<() => Promise<BlobReferences>>,
): void {
  describe(`${name}: BlobReferences`, () => {
    it('[BLB8] hold a blob until the last owner drops it, over restarts', async () => {
      const open = await createDisk();
      const [{ digest }, other] = [sampleBlob(1).ref, sampleBlob(1, 2).ref];
      const first = await open();
      for (const owner of ['op-1', 'op-2', 'op-1']) await first.add(digest, owner);
      await first.add(other.digest, 'op-3');
      const second = await open();
      expect(second.has(digest)).toBe(true);
      expect([...second.owners(digest)].sort()).toEqual(['op-1', 'op-2']);
      expect([...second.digests()].sort()).toEqual([digest, other.digest].sort());
      await second.drop(digest, 'op-1');
      await second.drop(digest, 'op-1');
      expect((await open()).has(digest)).toBe(true);
      await second.drop(digest, 'op-2');
      expect(second.has(digest)).toBe(false);
      const third = await open();
      expect(third.has(digest)).toBe(false);
      expect(third.owners(digest)).toEqual([]);
      expect(third.digests()).toEqual([other.digest]);
    });

    it('[BLB8] refuse what is no digest, and an owner that is no name', async () => {
      const references = await (await createDisk())();
      const { digest } = sampleBlob(1).ref;
      for (const [bad, owner] of [
        ['sha256:../..', 'op'],
        [digest, '../op'],
        [digest, 'x'.repeat(129)],
      ] as const)
        expect(await references.add(bad, owner)).toMatchObject({
          error: { code: 'invalid_argument' },
        });
      expect(references.digests()).toEqual([]);
    });
  });
}
