// Open Inference Protocol v2 over REST: models/src/open-inference is the protocol, this its place in the API.

import type { RestHandler } from '@skerry/models/open-inference';
import { failure } from '@skerry/shared';
import { respondFailure } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';

export function openInferenceRoutes(handle: RestHandler, bodyBytesMax: number): Hono {
  const app = new Hono();
  app.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: (c) => respondFailure(c, failure('too_large', `at most ${bodyBytesMax} bytes`)),
    }),
  );
  app.all('*', async (c) => {
    const reply = await handle(c.req.raw, c.req.path.slice('/v2'.length));
    return reply.ok ? reply.value : respondFailure(c, reply.error);
  });
  return app;
}
