// The second role, online (Uptane's director): says which device should run what, among what the offline keys have
// signed. Devices know its key by the root.

import type { DsseEnvelope, Result } from '@skerry/shared';
import { type Signer, signEnvelope } from '@skerry/shared/node';
import { assignmentPayloadType } from '@skerry/sync-protocol/update';

export interface Director {
  /** An assignment's bytes, as they are. Fails as the signer does. */
  signAssignment(payload: Uint8Array): Promise<Result<DsseEnvelope>>;
}

export const createDirector = (signer: Signer): Director => ({
  signAssignment: (payload) => signEnvelope(signer, assignmentPayloadType, payload),
});
