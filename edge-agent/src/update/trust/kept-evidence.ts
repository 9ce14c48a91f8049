// Evidence as bytes that lie beside a bundle, from a trust client and back to it.

import { err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { UpdateTrust } from '../update-ports.ts';
import type { TrustClient } from './trust-client.ts';

/** Of the signed files, by name. */
const evidenceSchema = z.record(z.string(), z.string());

export const keptEvidence = (
  client: Pick<TrustClient, 'evidence' | 'verifyEvidence'>,
): Pick<UpdateTrust, 'evidence' | 'verifyEvidence'> => ({
  async evidence(path, kept) {
    const before = kept === undefined ? ok(undefined) : readEvidence(kept);
    if (!before.ok) return before;
    const evidence = await client.evidence(path, before.value);
    return evidence.ok ? ok(Buffer.from(JSON.stringify(evidence.value))) : evidence;
  },
  async verifyEvidence(kept, path, digest) {
    const evidence = kept === undefined ? await client.evidence(path) : readEvidence(kept);
    if (!evidence.ok) return evidence;
    const target = await client.verifyEvidence(evidence.value, path);
    if (!target.ok) return target;
    if (target.value.digest === digest) return ok(undefined);
    return err(failure('untrusted', `${path} was signed as ${target.value.digest}`));
  },
});

function readEvidence(kept: Uint8Array): Result<z.infer<typeof evidenceSchema>> {
  const json = parseJson(kept, 'the evidence', 'untrusted');
  if (!json.ok) return json;
  const parsed = evidenceSchema.safeParse(json.value);
  return parsed.success ? ok(parsed.data) : err(failure('untrusted', 'this is no evidence'));
}
