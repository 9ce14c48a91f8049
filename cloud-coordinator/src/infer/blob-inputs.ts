// Inputs of escalations that came as blobs. One that is named by a question that is not answered yet is referred to, so
// that nobody evicts it; what is read is what the device that asks may read.

import { err, failure, type Log, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { Escalation, OpenEscalation } from '@skerry/sync-protocol';
import type { BlobReferences, BlobStore } from '@skerry/sync-protocol/blobs';

export interface BlobInputs {
  /** The escalation with its input's bytes in it. Fails with `not_found` or `too_large`, or as the store does. */
  read(open: OpenEscalation): Promise<Result<Escalation>>;
  /** It has been accepted, and awaits its answer. Harmless twice. */
  keep(open: OpenEscalation): Promise<void>;
  /** It has been answered. */
  release(open: OpenEscalation): Promise<void>;
}

export interface BlobInputsPorts {
  /** The blobs that a device may read. */
  readonly blobsOf: (device: string) => Pick<BlobStore, 'holding' | 'read'>;
  readonly references: Pick<BlobReferences, 'add' | 'drop'>;
  readonly log: Log;
}

/** Of a coordinator without blobs. */
export const inlineInputs: BlobInputs = {
  read: async ({ body }) =>
    body.input.blob === undefined ? ok(body) : err(failure('not_found', 'no blobs here')),
  async keep() {},
  async release() {},
};

/** A tensor that a model takes at once; what inflates to more is refused by its shape. */
export const inputBytesMax = 16 * 1024 * 1024;

export function createBlobInputs({ blobsOf, references, log }: BlobInputsPorts): BlobInputs {
  const ownerOf = ({ device, body }: OpenEscalation): string =>
    sha256(new TextEncoder().encode(`${device}/${body.requestId}`)).slice('sha256:'.length);
  const refer = async (how: 'add' | 'drop', open: OpenEscalation): Promise<void> => {
    const { blob } = open.body.input;
    if (blob === undefined) return;
    const done = await references[how](blob.digest, ownerOf(open));
    if (!done.ok) log.error({ code: done.error.code }, `an input: ${done.error.message}`);
  };

  return {
    async read({ device, body }) {
      const { blob, ...tensor } = body.input;
      if (blob === undefined) return ok(body);
      if (blob.bytes > inputBytesMax)
        return err(
          failure('too_large', `an input of ${blob.bytes} bytes, at most ${inputBytesMax}`),
        );
      const store = blobsOf(device);
      const held = await store.holding(blob.digest);
      if (!held.ok) return held;
      if (held.value.kind !== 'whole' || held.value.bytes !== blob.bytes)
        return err(failure('not_found', `no input ${blob.digest} of ${blob.bytes} bytes`));
      const data = await store.read(blob.digest, 0, blob.bytes);
      return data.ok ? ok({ ...body, input: { ...tensor, data: data.value } }) : data;
    },
    keep: (open) => refer('add', open),
    release: (open) => refer('drop', open),
  };
}
