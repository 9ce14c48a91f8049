// Who may sign assignments: a field of root's, which TUF does not know and its signature covers (decision 0060).

import { err, failure, ok, type Result } from '@skerry/shared';
import { type PublicKey, publicKeySchema } from '@skerry/shared/node';
import { z } from 'zod';
import { type MetadataFiles, readRoot } from './accepted-metadata.ts';

const directorField = 'x-skerry-director';
const directorSchema = z.object({ keyids: z.array(z.string()), threshold: z.int().min(1) });

export interface DirectorRole {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
  /** Of its keys; others after a rotation. */
  readonly names: string;
}

/** Fails with `untrusted`. */
export function directorOf(files: MetadataFiles): Result<DirectorRole> {
  const root = readRoot(files.get('root.json') ?? new Uint8Array());
  if (!root.ok) return root;
  const role = directorSchema.safeParse(root.value.signed.unrecognizedFields[directorField]);
  if (!role.success) return err(failure('untrusted', 'the root names no director'));
  const keys = role.data.keyids.flatMap((id) => {
    const key = publicKeySchema.safeParse(root.value.signed.keys[id]?.toJSON());
    return key.success ? [key.data] : [];
  });
  return ok({ keys, threshold: role.data.threshold, names: namesOf(role.data.keyids) });
}

export const namesOf = (keyIds: readonly string[]): string => [...keyIds].sort().join(',');
