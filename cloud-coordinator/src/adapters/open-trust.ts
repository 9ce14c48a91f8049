// The repository of a coordinator's data folder, with the online keys that are here.

import { join } from 'node:path';
import { type Clock, collect, ok, type Result } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import { createTrustRepository, type TrustRepository } from '../update/trust/repository.ts';
import { openSigner, openSigners } from './key-files.ts';
import { createStagedFiles, createTrustFiles } from './trust-files.ts';

export const trustFolders = (dataDir: string) => {
  const tuf = join(dataDir, 'tuf');
  return {
    repository: tuf,
    staged: join(tuf, 'staged'),
    /** Online: snapshot, timestamp, director. */
    keys: join(tuf, 'keys'),
    /** Where `tuf init` puts the keys that are to go to their holders. */
    offline: join(tuf, 'offline-keys'),
  };
};

export interface OpenTrust {
  readonly repository: TrustRepository;
  readonly signers: readonly Signer[];
}

/** @param references of the online keys; undefined for all in the data folder's own */
export function openTrust(
  dataDir: string,
  references: readonly string[] | undefined,
  clock: Clock,
): Result<OpenTrust> {
  const at = trustFolders(dataDir);
  const signers =
    references === undefined ? openSigners(at.keys) : collect(references.map(openSigner));
  if (!signers.ok) return signers;
  const repository = createTrustRepository({
    store: createTrustFiles(at.repository, clock.nowMs),
    staging: createStagedFiles(at.staged),
    signers: signers.value,
    clock,
  });
  return ok({ repository, signers: signers.value });
}
