import { copyFile, stat } from 'node:fs/promises';
import { err, failure, messageOf, ok } from '@skerry/shared';
import type { Fetcher } from './pull.ts';

export function createFileFetcher(): Fetcher<'file'> {
  return async ({ path }, part, onProgress) => {
    try {
      const { size } = await stat(path);
      await copyFile(path, part);
      onProgress(size, size);
      return ok(undefined);
    } catch (thrown) {
      return err(failure('not_found', `${path}: ${messageOf(thrown)}`));
    }
  };
}
