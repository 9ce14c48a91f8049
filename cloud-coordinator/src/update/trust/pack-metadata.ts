// All metadata that a device needs, in one file: for a device that no HTTP reaches, as a blob over MQTT. It is as
// trustworthy as the files one by one, that is, not at all until the client has verified it.

import { err, failure, ok, type Result } from '@skerry/shared';
import { fileName, type Published, rootVersions, versionsIn } from './published.ts';
import type { TrustStore } from './trust-store.ts';

/** What a device takes in one piece. */
export const packBytesMax = 8 * 1024 * 1024;

/** `{"files": {"1.root.json": "…", "timestamp.json": "…", …}}`, each file as the text that was signed. */
export async function packMetadata(
  { head, snapshot, targets }: Published,
  store: TrustStore,
): Promise<Result<Uint8Array>> {
  const versions = versionsIn(snapshot.signed);
  const names = [
    ...rootVersions(head).map((version) => fileName('root', version)),
    fileName('snapshot', snapshot.signed.version),
    ...[...targets.keys()].map((role) => fileName(role, versions.get(role) ?? 0)),
  ];
  const files: Record<string, string> = {};
  const digests = names.map((name) => [name, head.files[name]] as const);
  for (const [name, digest] of [...digests, ['timestamp.json', head.timestamp] as const]) {
    if (digest === undefined) return err(failure('storage_failed', `the head names no ${name}`));
    const bytes = await store.read(digest);
    if (!bytes.ok) return bytes;
    files[name] = new TextDecoder().decode(bytes.value);
  }
  const pack = new TextEncoder().encode(JSON.stringify({ files }));
  if (pack.length <= packBytesMax) return ok(pack);
  return err(
    failure('too_large', `the pack is ${pack.length} bytes; devices take ${packBytesMax}`),
  );
}
