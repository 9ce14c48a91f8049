// OpenAI's API: models/src/openai is the API, this its place in the local API.

import { openAiErrorResponse, type TextHandler, textPaths } from '@skerry/models/openai';
import { Hono } from 'hono';

export interface TextRoutes {
  readonly text: TextHandler;
}

/** Before what bounds the body: these bound it themselves, and refuse it as OpenAI has it. */
export function textRoutes({ text }: TextRoutes): Hono {
  const app = new Hono();
  for (const path of textPaths)
    app.all(path, async (c) => {
      const reply = await text(c.req.raw, c.req.path.slice('/v1'.length));
      if (reply.ok) return reply.value;
      c.set('refused', reply.error.code);
      return openAiErrorResponse(reply.error);
    });
  return app;
}
