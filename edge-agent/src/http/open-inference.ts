// Open Inference Protocol v2 over REST: models/src/open-inference is the protocol, this its place in the local API.

import type { RestHandler } from '@skerry/models/open-inference';
import { Hono } from 'hono';
import { refuse } from './refuse.ts';

export interface OpenInferenceRoutes {
  readonly openInference: RestHandler;
}

export function openInferenceRoutes({ openInference }: OpenInferenceRoutes): Hono {
  const app = new Hono();
  app.all('*', async (c) => {
    const reply = await openInference(c.req.raw, c.req.path.slice('/v2'.length));
    return reply.ok ? reply.value : refuse(c, reply.error);
  });
  return app;
}
