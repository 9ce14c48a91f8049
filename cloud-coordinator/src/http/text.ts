// OpenAI's API: models/src/openai is the API, this its place among ours.

import { openAiErrorResponse, type TextHandler, textPaths } from '@skerry/models/openai';
import { Hono } from 'hono';

export function textRoutes(handle: TextHandler): Hono {
  const app = new Hono();
  for (const path of textPaths)
    app.all(path, async (c) => {
      const reply = await handle(c.req.raw, c.req.path.slice('/v1'.length));
      return reply.ok ? reply.value : openAiErrorResponse(reply.error);
    });
  return app;
}
