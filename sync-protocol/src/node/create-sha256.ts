import { createHash } from 'node:crypto';
import type { CreateHash } from '../blobs/scrub.ts';

export const createSha256: CreateHash = () => {
  const hash = createHash('sha256');
  return {
    update: (bytes) => hash.update(bytes),
    digest: () => `sha256:${hash.digest('hex')}`,
  };
};
