// A signed payload as it travels: the envelope of DSSE 1.0.2 (Dead Simple Signing Envelope). What it holds is worth
// nothing until `verifyEnvelope` of @skerry/shared/node has said so.

import { z } from 'zod';

/** Of the payload in base64: what an envelope carries is a small document, never a file. */
const payloadCharsMax = 1024 * 1024;
const signaturesMax = 16;

/** Standard or URL-safe; verifiers must take either (DSSE protocol.md). */
const base64Schema = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/, 'expected base64');

export const dsseEnvelopeSchema = z.object({
  payloadType: z.string().min(1).max(256),
  payload: base64Schema.max(payloadCharsMax),
  signatures: z
    .array(
      z.object({
        /** A hint at the key, which nobody has signed. */
        keyid: z.string().max(256).optional(),
        sig: base64Schema.min(1).max(2_048),
      }),
    )
    .min(1)
    .max(signaturesMax),
});

export type DsseEnvelope = z.infer<typeof dsseEnvelopeSchema>;
