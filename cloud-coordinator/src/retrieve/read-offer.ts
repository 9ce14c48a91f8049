// What a device offers, as it lies here: a draft, and the documents that it names. All of it must be that device's own to
// see: to name a digest is not to have the bytes, and what is published others may read. [TRV15]

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { DeviceBlobStore } from '@skerry/sync-protocol/blobs';
import {
  type Offer,
  type SnapshotDraft,
  snapshotDraftSchema,
} from '@skerry/sync-protocol/collections';

const draftBytesMax = 64 * 1024 * 1024;

/** @param blobs as the device sees them. Fails with `unavailable` where something of it is not here any more */
export async function readOffer(
  blobs: Pick<DeviceBlobStore, 'holding' | 'read'>,
  collection: string,
  { draft: digest, draftBytes }: Offer,
): Promise<Result<SnapshotDraft>> {
  if (draftBytes > draftBytesMax)
    return err(failure('too_large', `a draft of ${draftBytes} bytes`));
  const bytes = await blobs.read(digest, 0, draftBytes);
  if (!bytes.ok) return err(failure('unavailable', 'the draft is not here any more'));
  if (sha256(bytes.value) !== digest) return err(failure('digest_mismatch', 'another draft'));
  const json = parseJson(bytes.value, 'the draft');
  if (!json.ok) return json;
  const draft = snapshotDraftSchema.safeParse(json.value);
  if (!draft.success)
    return err(failure('invalid_argument', describeIssues(draft.error, 'the draft')));
  if (draft.data.collection !== collection)
    return err(failure('invalid_argument', `it is a draft of ${draft.data.collection}`));
  const { documents, answers } = draft.data;
  const named = [
    ...documents,
    ...(answers ? [{ uri: 'what it has for answers', blob: answers }] : []),
  ];
  for (const { uri, blob } of named) {
    const held = await blobs.holding(blob.digest);
    if (!held.ok) return held;
    if (held.value.kind !== 'whole' || held.value.bytes !== blob.bytes)
      return err(failure('unavailable', `${uri} is not here, or not any more`));
  }
  return ok(draft.data);
}
