// Where signed metadata comes from. It may be anybody: a mirror, a neighbour, a blob over MQTT. Nothing of it is believed
// before it is verified, so a source needs no secret and no certificate.

import { err, type Failure, failure, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';

export interface MetadataSource {
  /**
   * A file of the repository by its name: timestamp.json, 3.root.json. Fails with `not_found` where the source has none,
   * `too_large` as soon as it is more than `bytesMax`, `unavailable` where the source cannot be asked.
   */
  read(name: string, bytesMax: number): Promise<Result<Uint8Array>>;
}

/** As the coordinator packs all that a device needs (its `packBytesMax`). */
export const packBytesMax = 8 * 1024 * 1024;
const packFilesMax = 2_048;

const packSchema = z.object({
  files: z
    .record(z.string(), z.string())
    .refine((files) => Object.keys(files).length <= packFilesMax, `at most ${packFilesMax} files`),
});

/** Fails with `too_large` or `malformed_message`. */
export function openPack(pack: Uint8Array): Result<MetadataSource> {
  if (pack.length > packBytesMax) return err(tooLarge('the pack', packBytesMax));
  const json = parseJson(pack, 'the pack', 'malformed_message');
  if (!json.ok) return json;
  const parsed = packSchema.safeParse(json.value);
  if (!parsed.success) return err(failure('malformed_message', 'expected a pack of metadata'));
  const { files } = parsed.data;
  return ok({
    async read(name, bytesMax) {
      const text = Object.hasOwn(files, name) ? files[name] : undefined;
      if (text === undefined) return err(failure('not_found', `no ${name} in the pack`));
      const bytes = new TextEncoder().encode(text);
      return bytes.length <= bytesMax ? ok(bytes) : err(tooLarge(name, bytesMax));
    },
  });
}

export const tooLarge = (what: string, bytesMax: number): Failure =>
  failure('too_large', `${what} is more than ${bytesMax} bytes`);
