// A bundle into the registry: the manifest is shown, what the registry lacks is sent, and the manifest again.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { lackingSchema, publishedSchema } from '../http/registry-views.ts';
import { failureOf } from './coordinator-client.ts';
import type { ProgressBar } from './progress-bar.ts';
import type { LocalBundle } from './sources/local-bundle.ts';
import { type UploadPorts, uploadFile } from './upload-file.ts';

export type Pushed = z.infer<typeof publishedSchema> & {
  /** What had to be sent. */
  readonly files: number;
  readonly bytes: number;
};

/** What was sent may be gone again, where the store's disk is full. */
const roundsMax = 3;

export async function pushBundle(
  bundle: LocalBundle,
  lineage: Readonly<Record<string, string>>,
  ports: UploadPorts,
  bar: ProgressBar,
): Promise<Result<Pushed>> {
  const sent = new Map<string, number>();
  for (let round = 0; round < roundsMax; round++) {
    const shown = await showManifest(bundle, lineage, ports);
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

async function showManifest(
  { manifestBytes }: LocalBundle,
  lineage: Readonly<Record<string, string>>,
  { client }: UploadPorts,
): Promise<Result<z.infer<typeof publishedSchema> | z.infer<typeof lackingSchema>>> {
  const query = new URLSearchParams(lineage);
  const response = await client.ask('POST', `/v1/registry?${query}`, {
    headers: { 'content-type': 'application/json' },
    body: manifestBytes,
  });
  if (!response.ok) return response;
  if (!response.value.ok && response.value.status !== 409)
    return err(await failureOf(response.value));
  const parsed = z
    .union([publishedSchema, lackingSchema])
    .safeParse(await response.value.json().catch(() => undefined));
  return parsed.success
    ? ok(parsed.data)
    : err(failure('unsupported_version', 'no registry answers there'));
}
