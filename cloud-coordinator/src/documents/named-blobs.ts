// Blobs that the cloud's documents name. A digest that an operator writes anywhere in a twin's `desired`, a site's document
// or the fleet's policy is a reference for those who follow that document: the blob is kept, and they may fetch it, for as
// long as it stands there. What a device writes refers to nothing, or it could open any blob to itself. [BLA6]

import { digestSchema, type Log, type Result } from '@skerry/shared';
import { audiences, type BlobReferences } from '@skerry/sync-protocol/blobs';
import {
  type DocumentView,
  documentBounds,
  parseDocumentId,
} from '@skerry/sync-protocol/documents';
import type { Documents } from './documents.ts';

/** `patch`, with its references: made before the document names them, dropped after it does not any more. */
export function referToNamedBlobs(
  documents: Pick<Documents, 'read' | 'patch'>,
  references: BlobReferences,
  log: Log,
): Documents['patch'] {
  let last: Promise<unknown> = Promise.resolve();

  const refer = async (how: 'add' | 'drop', digests: readonly string[], owner: string) => {
    for (const digest of digests) {
      const done = await references[how](digest, owner);
      if (!done.ok) return done;
    }
    return undefined;
  };

  const patch = async (document: string, change: unknown): Promise<Result<DocumentView>> => {
    const owner = ownerOf(document);
    if (owner === undefined) return documents.patch(document, change);
    const failed = await refer('add', digestsIn(change), owner);
    if (failed !== undefined) return failed;
    const patched = await documents.patch(document, change);
    const view = patched.ok ? patched : await documents.read(document);
    if (!view.ok) return patched; // A reference too many, until the next patch.
    const named = new Set(digestsIn(cloudPart(document, view.value)));
    const over = references
      .digests()
      .filter((digest) => references.owners(digest).includes(owner) && !named.has(digest));
    const kept = await refer('drop', over, owner);
    if (kept !== undefined) log.error({ document, code: kept.error.code }, kept.error.message);
    return patched;
  };

  // One after the other: what one adds, another must not find unnamed.
  return (document, change) => {
    const mine = last.then(() => patch(document, change));
    last = mine.catch(() => undefined);
    return mine;
  };
}

function ownerOf(document: string): string | undefined {
  const id = parseDocumentId(document);
  return id && (id.scope === 'fleet' ? audiences.fleet : audiences[id.scope](id.name));
}

/** Of a twin, what the device reports is not the cloud's word. */
const cloudPart = (document: string, { value }: DocumentView): unknown =>
  parseDocumentId(document)?.scope === 'device' ? value['desired'] : value;

/** Every string in a JSON value that is a digest; none below the depth that a document may have. */
function digestsIn(json: unknown, depthLeft: number = documentBounds.pathDepthMax): string[] {
  if (typeof json === 'string') return digestSchema.safeParse(json).success ? [json] : [];
  if (typeof json !== 'object' || json === null || depthLeft === 0) return [];
  const found = Object.values(json).flatMap((value) => digestsIn(value, depthLeft - 1));
  return [...new Set(found)];
}
