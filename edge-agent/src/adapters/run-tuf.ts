// The TUF client workflow (TUF specification §5) by tuf-js, in a scratch folder: tuf-js writes its files in place, and a
// power cut in the middle of one would end all updates of the device. What it has accepted is taken from there, and
// saved whole by whoever asked.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, err, type Failure, failure, messageOf, ok, type Result } from '@skerry/shared';
import { Updater } from 'tuf-js';
// Not in its front door: its workflow tells the end of the root chain by the first, and throws the other.
import { DownloadHTTPError, ExpiredMetadataError } from 'tuf-js/dist/error.js';
import { expiryOf, type MetadataFiles } from '../update/trust/accepted-metadata.ts';
import type { MetadataSource } from '../update/trust/metadata-source.ts';
import type { RunTuf } from '../update/trust/trust-client.ts';

/** tuf-js asks for addresses; only what comes after this one is a name. */
const baseUrl = 'tuf:/';
const bytesMax = {
  rootMaxLength: 512_000,
  timestampMaxLength: 16_384,
  snapshotMaxLength: 2_000_000,
  targetsMaxLength: 5_000_000,
} as const;
const rootRotationsMax = 256;
const delegationsMax = 32;

export const createRunTuf =
  (clock: Clock): RunTuf =>
  async (trusted, source, paths) => {
    let scratch: string | undefined;
    try {
      scratch = await mkdtemp(join(tmpdir(), 'skerry-tuf-'));
      const folder = scratch;
      for (const [name, bytes] of trusted) await writeFile(join(folder, name), bytes);
      const fetcher = createFetcher(source);
      const outcome = await attempt(fetcher, clock, async () => {
        const updater = new Updater({
          metadataDir: folder,
          metadataBaseUrl: baseUrl,
          fetcher,
          config: {
            ...bytesMax,
            maxRootRotations: rootRotationsMax,
            maxDelegations: delegationsMax,
          },
        });
        await updater.refresh();
        for (const path of paths) await updater.getTargetInfo(path);
      });
      return { accepted: await readFolder(folder), outcome };
    } catch (thrown) {
      const outcome = err(failure('storage_failed', `the scratch folder: ${messageOf(thrown)}`));
      return { accepted: trusted, outcome };
    } finally {
      if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
    }
  };

interface SourceFetcher {
  /** The last file that came. */
  last(): Uint8Array | undefined;
  /** Of the source, other than that it has no next root. */
  failed(): Failure | undefined;
  downloadBytes(url: string, maxLength: number): Promise<Buffer>;
  downloadFile<T>(url: string, max: number, handler: (file: string) => Promise<T>): Promise<T>;
}

function createFetcher(source: MetadataSource): SourceFetcher {
  let last: Uint8Array | undefined;
  let failed: Failure | undefined;
  return {
    last: () => last,
    failed: () => failed,
    async downloadBytes(url, maxLength) {
      const read = await source.read(url.slice(baseUrl.length), maxLength);
      if (!read.ok) {
        const { code, message } = read.error;
        if (code !== 'not_found') failed = read.error;
        // That there is no next root ends the chain; any other file is missing, and may come.
        else if (!url.endsWith('.root.json')) failed = failure('unavailable', message);
        if (code === 'not_found') throw new DownloadHTTPError(message, 404);
        throw new Error(message);
      }
      last = read.value;
      return Buffer.from(read.value);
    },
    downloadFile: () => Promise.reject(new Error('targets are fetched elsewhere')),
  };
}

/** What tuf-js throws becomes a Failure. It often wraps its own errors as text, so what was under way says which. */
async function attempt(
  fetcher: SourceFetcher,
  clock: Clock,
  act: () => Promise<void>,
): Promise<Result<void>> {
  try {
    await act();
    return ok(undefined);
  } catch (thrown) {
    const failed = fetcher.failed();
    if (failed !== undefined) return err(failed);
    const last = fetcher.last();
    const expired =
      thrown instanceof ExpiredMetadataError ||
      (last !== undefined && expiryOf(last) <= clock.nowMs());
    return err(failure(expired ? 'expired' : 'untrusted', messageOf(thrown)));
  }
}

async function readFolder(folder: string): Promise<MetadataFiles> {
  const names = await readdir(folder);
  const files = names.map(
    async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const,
  );
  return new Map(await Promise.all(files));
}
