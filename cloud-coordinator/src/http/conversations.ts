// Shared conversations, for the devices that they are shared with. The app on a device vouches for who asks there.

import { describeIssues, failure } from '@skerry/shared';
import { conversationIdSchema, conversationReaderSchema } from '@skerry/sync-protocol';
import { type DeviceEnvironment, identifyDevice, respondFailure } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import { z } from 'zod';
import type { SharedConversations } from '../retrieve/shared-conversations.ts';

const querySchema = z.strictObject({
  reader: conversationReaderSchema.default(''),
  share: z.enum(['device', 'site']),
});

/** @param certified whether every device must show its certificate */
export function conversationRoutes(
  conversations: Pick<SharedConversations, 'turnsFor'>,
  certified: boolean,
) {
  const app = new Hono<DeviceEnvironment>();
  app.use(identifyDevice(certified));
  app.get('/v1/conversations/:id/turns', async (c) => {
    const conversation = conversationIdSchema.safeParse(c.req.param('id'));
    const query = querySchema.safeParse(c.req.query());
    if (!conversation.success)
      return respondFailure(c, failure('not_found', 'no such conversation'));
    if (!query.success)
      return respondFailure(
        c,
        failure('invalid_argument', describeIssues(query.error, 'the query')),
      );
    const { share, reader } = query.data;
    const name = { reader, conversation: conversation.data };
    const turns = await conversations.turnsFor(c.var.device, share, name);
    return turns.ok ? c.json({ turns: turns.value }) : respondFailure(c, turns.error);
  });
  return app;
}
