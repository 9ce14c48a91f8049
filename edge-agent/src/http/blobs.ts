// Blobs on the device, for its apps: give and take bytes by their digest, move them, and see how that goes.

import { failure } from '@skerry/shared';
import { blobRefSchema, type ServeBlob } from '@skerry/sync-protocol/blobs';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Transfers } from '../sync/transfers.ts';
import { boundBody } from './bound-body.ts';
import { refuse } from './refuse.ts';

export interface BlobRoutes {
  readonly serveBlob: ServeBlob;
  readonly transfers: Pick<Transfers, 'fetch' | 'send' | 'list'>;
}

const askedSchema = blobRefSchema.extend({ direction: z.enum(['fetch', 'send']) });
const askedBytesMax = 1_024;

export function blobRoutes({ serveBlob, transfers }: BlobRoutes): Hono {
  const app = new Hono();
  app.all('/blobs/:digest', (c) => serveBlob(c.req.raw, c.req.param('digest')));
  app.get('/transfers', (c) => c.json({ transfers: transfers.list() }));
  app.post('/transfers', boundBody(askedBytesMax), async (c) => {
    const asked = askedSchema.safeParse(await c.req.json().catch(() => undefined));
    if (!asked.success)
      return refuse(c, failure('invalid_argument', 'expected digest, bytes and direction'));
    const { direction, ...ref } = asked.data;
    void transfers[direction](ref);
    return c.json({ transfers: transfers.list() }, 202);
  });
  return app;
}
