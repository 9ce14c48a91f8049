// An escalation whose input does not fit a message: its bytes become a blob, which goes up first, and the op names it.
// The blob lies here, whole, before the op is held; and while it is held the blob is not evicted.

import type { Clock, Result } from '@skerry/shared';
import { type Escalation, opsBytesMax } from '@skerry/sync-protocol';
import { type BlobStore, storeBytes } from '@skerry/sync-protocol/blobs';
import type { UploadFirst } from './upload-first.ts';

export interface LargeInputs {
  /** Durable when it resolves, together with `effect`. Fails as the blob store and `UploadFirst` do. */
  append(body: Escalation, effect: () => void): Promise<Result<void>>;
}

export interface LargeInputsPorts {
  readonly blobs: BlobStore;
  readonly uploadFirst: Pick<UploadFirst, 'append'>;
  readonly sha256: (bytes: Uint8Array) => string;
  readonly clock: Clock;
}

/** What an escalation holds beside its input's bytes, ample. */
const bodyOverheadBytesMax = 4_096;
export const fitsMessage = ({ input }: Escalation): boolean =>
  input.data.length <= opsBytesMax - bodyOverheadBytesMax;

export function createLargeInputs({
  blobs,
  uploadFirst,
  sha256,
  clock,
}: LargeInputsPorts): LargeInputs {
  return {
    async append(body, effect) {
      const { data, ...tensor } = body.input;
      const blob = { digest: sha256(data), bytes: data.length };
      const stored = await storeBytes(blobs, blob, data);
      if (!stored.ok) return stored;
      const named = { ...body, input: { ...tensor, data: new Uint8Array(), blob } };
      return uploadFirst.append(named, blob, clock.nowMs(), effect);
    },
  };
}
