// UpdateTrust by the device's TUF client: metadata comes from a pack that an assignment names, or from the coordinator's
// HTTP address, and is believed from neither before it has been verified.

import { join } from 'node:path';
import {
  type Clock,
  dsseEnvelopeSchema,
  err,
  failure,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { readAssignment } from '@skerry/sync-protocol/update';
import type { CollectionTrust } from '../retrieve/travel/take-snapshot.ts';
import { keptEvidence } from '../update/trust/kept-evidence.ts';
import { type MetadataSource, openPack, packBytesMax } from '../update/trust/metadata-source.ts';
import { releasedMs } from '../update/trust/released.ts';
import { createTrustClient } from '../update/trust/trust-client.ts';
import type { UpdateTrust } from '../update/update-ports.ts';
import type { Fetch } from './coordinator-fetch.ts';
import { createHttpMetadataSource } from './http-metadata-source.ts';
import { createRunTuf } from './run-tuf.ts';
import { createTrustDirectory } from './trust-directory.ts';

const metadataPath = '/v1/tuf/metadata';

export function openUpdateTrust(
  config: {
    readonly dataDir: string;
    readonly coordinatorUrl?: string | undefined;
    readonly trustedRoot: Uint8Array;
  },
  { fetch, clock }: { readonly fetch: Fetch; readonly clock: Clock },
): UpdateTrust & CollectionTrust {
  const { trustedRoot, coordinatorUrl } = config;
  const files = createTrustDirectory(join(config.dataDir, 'trust'));
  const client = createTrustClient(
    { trustedRoot, releasedMs },
    { files, runTuf: createRunTuf(clock), clock },
  );
  const overHttp =
    coordinatorUrl === undefined
      ? undefined
      : createHttpMetadataSource(new URL(metadataPath, coordinatorUrl).href, { fetch, clock });
  const sourceOf = (pack: Uint8Array | undefined): Result<MetadataSource> => {
    if (pack !== undefined) return openPack(pack);
    if (overHttp !== undefined) return ok(overHttp);
    const message = 'no metadata came with the assignment, and no --coordinator-url is given';
    return err(failure('unavailable', message));
  };

  return {
    async verifyAssignment(envelope) {
      const json = parseJson(envelope, 'the envelope', 'malformed_message');
      if (!json.ok) return json;
      const payload = await client.verifyAssignment(json.value);
      const read = payload.ok ? readAssignment(payload.value) : payload;
      // To a device without a clock the director's word is a time.
      if (read.ok) await client.attest(read.value.issuedMs);
      return payload;
    },
    async refresh(pack, path) {
      const source = sourceOf(pack);
      return source.ok ? client.refresh(source.value, path === undefined ? [] : [path]) : source;
    },
    metadataOf(envelope) {
      const json = parseJson(envelope, 'the envelope', 'malformed_message');
      const parsed = dsseEnvelopeSchema.safeParse(json.ok ? json.value : undefined);
      if (!parsed.success) return undefined;
      const read = readAssignment(Buffer.from(parsed.data.payload, 'base64'));
      const named = read.ok ? read.value.metadata : undefined;
      return named !== undefined && named.bytes <= packBytesMax ? named : undefined;
    },
    async target(path) {
      const target = await client.target(path);
      if (!target.ok) return target;
      const { digest, bytes } = target.value;
      return ok({ digest, bytes });
    },
    ...keptEvidence(client),
    confirmed: client.confirmed,
    snapshot: client.snapshot,
    snapshotTaken: client.snapshotTaken,
    verifySnapshot: client.verifySnapshot,
  };
}
