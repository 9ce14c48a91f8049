// A bundle into the registry: the manifest is shown, what the registry lacks is sent, and the manifest again.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { lackingSchema, publishedSchema } from '../http/registry-views.ts';
import { offer } from './coordinator-client.ts';
import type { ProgressBar } from './progress-bar.ts';
import type { LocalBundle } from './sources/local-bundle.ts';
import { type UploadPorts, uploadFile } from './upload-file.ts';

export type Pushed = z.infer<typeof publishedSchema> & {
  /** What had to be sent. */
  readonly files: number;
  readonly bytes: number;
};

const shownSchema = z.union([publishedSchema, lackingSchema]);
/** What was sent may be gone again, where the store's disk is full. */
const roundsMax = 3;

export async function pushBundle(
  bundle: LocalBundle,
  lineage: Readonly<Record<string, string>>,
  ports: UploadPorts,
  bar: ProgressBar,
): Promise<Result<Pushed>> {
  const path = `/v1/registry?${new URLSearchParams(lineage)}`;
  const sent = new Map<string, number>();
  for (let round = 0; round < roundsMax; round++) {
    const shown = await offer(ports.client, path, bundle.manifestBytes, shownSchema, {
      stranger: 'no registry answers there',
    });
    if (!shown.ok) return shown;
    if ('manifest' in shown.value)
      return ok({
        ...shown.value,
        files: sent.size,
        bytes: [...sent.values()].reduce((sum, bytes) => sum + bytes, 0),
      });
    const { lacking } = shown.value;
    const total = lacking.reduce((sum, { bytes }) => sum + bytes, 0);
    let before = 0;
    for (const [i, ref] of lacking.entries()) {
      const what = `file ${i + 1} of ${lacking.length}`;
      const uploaded = await uploadFile(ref, bundle.pathOf(ref.digest), ports, (moved) =>
        bar.show(what, before + moved, total),
      );
      bar.clear();
      if (!uploaded.ok) return uploaded;
      before += ref.bytes;
      sent.set(ref.digest, ref.bytes);
    }
  }
  return err(
    failure('unavailable', 'the registry does not keep what it is sent: is its disk full?'),
  );
}
