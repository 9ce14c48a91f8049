// Answers that were made before come to whoever holds a collection: what not everybody may read must not be in them.

import { err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { answersBytesMax, type SnapshotDraft } from '@skerry/sync-protocol/collections';
import { z } from 'zod';

/** Of an answer all that has to be known here: the device that takes it looks at the rest. */
const answersSchema = z.array(
  z.looseObject({ citations: z.array(z.looseObject({ uri: z.string() })).min(1) }),
);

/** Pure. Fails with `invalid_argument` for one that cites a document which is not there, or not for everybody. */
export function refuseRestricted({ documents }: SnapshotDraft, bytes: Uint8Array): Result<void> {
  if (bytes.length > answersBytesMax)
    return err(failure('too_large', `answers of more than ${answersBytesMax} bytes`));
  const json = parseJson(bytes, 'the answers', 'invalid_argument');
  if (!json.ok) return json;
  const answers = answersSchema.safeParse(json.value);
  if (!answers.success)
    return err(
      failure('invalid_argument', 'the answers: expected a list, each with its citations'),
    );
  const open = new Set(documents.flatMap(({ uri, readers }) => (readers === null ? [uri] : [])));
  const closed = answers.data
    .flatMap(({ citations }) => citations)
    .find(({ uri }) => !open.has(uri));
  return closed === undefined
    ? ok(undefined)
    : err(
        failure('invalid_argument', `an answer cites ${closed.uri}, which not everybody may read`),
      );
}
