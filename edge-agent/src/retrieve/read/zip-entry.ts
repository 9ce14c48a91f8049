// One entry of a zip archive in pieces, as it is unpacked: what its directory says of sizes is not believed, and no more
// than a piece of it is held.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared/plain';
import { fromBufferPromise, type ZipFile } from 'yauzl';

/** Of an archive's directory, at most. */
const entriesMax = 10_000;

export interface ZipEntries {
  has(name: string): boolean;
  /** Hands its pieces to `take`. What all calls have unpacked counts to one bound. */
  stream(name: string, take: (piece: Buffer) => void): Promise<Result<void>>;
}

/** Fails with `invalid_argument` for what is no archive, or `too_large`. */
export async function openZip(
  bytes: Uint8Array,
  expandedBytesMax: number,
): Promise<Result<ZipEntries>> {
  let zip: ZipFile;
  const entries = new Map<string, Parameters<ZipFile['openReadStreamPromise']>[0]>();
  try {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Its own check would fail a bomb for the wrong reason: that more came than was said.
    zip = await fromBufferPromise(buffer, { lazyEntries: true, validateEntrySizes: false });
    if (zip.entryCount > entriesMax)
      return err(failure('too_large', `${zip.entryCount} files in it; at most ${entriesMax}`));
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
  } catch (thrown) {
    return err(failure('invalid_argument', `it is no zip archive: ${messageOf(thrown)}`));
  }
  let expanded = 0;
  return ok({
    has: (name) => entries.has(name),
    async stream(name, take) {
      const entry = entries.get(name);
      if (entry === undefined) return err(failure('invalid_argument', `it has no ${name}`));
      try {
        if (entry.isEncrypted())
          return err(failure('invalid_argument', 'it is encrypted, and no password is asked for'));
        const pieces = await zip.openReadStreamPromise(entry);
        for await (const piece of pieces as AsyncIterable<Buffer>) {
          expanded += piece.length;
          if (expanded > expandedBytesMax)
            return err(failure('too_large', `more than ${expandedBytesMax} bytes once unpacked`));
          take(piece);
        }
        return ok(undefined);
      } catch (thrown) {
        return err(failure('invalid_argument', `${name} in it is broken: ${messageOf(thrown)}`));
      }
    },
  });
}
