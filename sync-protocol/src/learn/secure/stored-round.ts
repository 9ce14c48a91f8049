// The server’s state as bytes, so that a round outlives its coordinator: CBOR, checked when it is read back.

import { nameSchema, type Result } from '@skerry/shared';
import { encode } from 'cborg';
import { z } from 'zod';
import { decodeAs, encodeOptions } from '../../codec.ts';
import { boxSchema, memberSchema, sharedSchema, signedSchema } from './secure-messages.ts';
import { securePlanSchema, sessionSchema } from './secure-plan.ts';
import type { ServerState } from './secure-server.ts';

const names = z.array(nameSchema);
const invitation = { session: sessionSchema, plan: securePlanSchema, invited: names };
const members = z.array(memberSchema);
const dealt = z.array(z.strictObject({ client: nameSchema, boxes: z.array(boxSchema) }));
const signatures = z.array(signedSchema);
const beyondInput = { ...invitation, members, dealers: names, survivors: names, signatures };

const stateSchema: z.ZodType<ServerState> = z.discriminatedUnion('stage', [
  z.strictObject({ ...invitation, stage: z.literal('keys'), members }),
  z.strictObject({ ...invitation, stage: z.literal('shares'), members, dealt }),
  z.strictObject({ ...invitation, stage: z.literal('input'), members, dealt, masked: names }),
  z.strictObject({ ...beyondInput, stage: z.literal('consistency') }),
  z.strictObject({
    ...beyondInput,
    stage: z.literal('unmask'),
    revealed: z.array(
      z.strictObject({
        client: nameSchema,
        seeds: z.array(sharedSchema),
        maskKeys: z.array(sharedSchema),
      }),
    ),
  }),
]);

export const encodeServerState = (state: ServerState): Uint8Array => encode(state, encodeOptions);

/** Fails with `malformed_message`. */
export const decodeServerState = (bytes: Uint8Array): Result<ServerState> =>
  decodeAs(stateSchema, bytes);
