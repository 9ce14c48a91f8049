// A file from elsewhere, by its sha256: nothing has its name before its bytes are known to be those that were asked for.
// What came of it lies in a part beside it, named by that digest too, so that the next try goes on and no try mixes two.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type { Source } from './parse-source.ts';

/** Brings a source's bytes into `part`, which may hold the first of them already. */
export type Fetcher<K extends Source['kind']> = (
  source: Extract<Source, { kind: K }>,
  part: string,
  onProgress: OnProgress,
) => Promise<Result<void>>;

export type OnProgress = (bytes: number, total: number | undefined) => void;

export type Fetchers = { readonly [K in Source['kind']]: Fetcher<K> };

/** Whether it was there already. Fails with `digest_mismatch`, and then no part is left, or as the source does. */
export async function pull(
  source: Source,
  digest: string,
  out: string,
  fetchers: Fetchers,
  onProgress: OnProgress,
): Promise<Result<'present' | 'pulled'>> {
  try {
    if ((await digestOf(out)) === digest) return ok('present');
    await mkdir(dirname(out), { recursive: true });
    const part = `${out}.${digest.slice('sha256:'.length, 'sha256:'.length + 12)}.part`;
    const fetched = await fetchWith(fetchers, source, part, onProgress);
    if (!fetched.ok) return fetched;
    const came = await digestOf(part);
    if (came !== digest) {
      await rm(part, { force: true });
      return err(
        failure('digest_mismatch', `what came is ${came}, not ${digest}; nothing is kept`),
      );
    }
    await rename(part, out);
    return ok('pulled');
  } catch (thrown) {
    return err(failure('storage_failed', `${out}: ${messageOf(thrown)}`));
  }
}

function fetchWith(
  fetchers: Fetchers,
  source: Source,
  part: string,
  onProgress: OnProgress,
): Promise<Result<void>> {
  switch (source.kind) {
    case 'npm':
      return fetchers.npm(source, part, onProgress);
    case 'https':
      return fetchers.https(source, part, onProgress);
    case 'file':
      return fetchers.file(source, part, onProgress);
  }
}

/** Undefined where there is no such file. */
async function digestOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
  return `sha256:${hash.digest('hex')}`;
}
