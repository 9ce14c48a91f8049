// Documents for apps: read, change by JSON merge patch (RFC 7396), follow as server-sent events.

import { type Clock, failure, parseJson } from '@skerry/shared';
import { type DocumentScope, documentScopes } from '@skerry/sync-protocol/documents';
import { type Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Documents } from '../documents/documents.ts';
import { keepAlive } from './keep-alive.ts';
import { refuse } from './refuse.ts';

export interface DocumentRoutes {
  readonly documents: Pick<Documents, 'read' | 'patch' | 'stream'>;
  readonly clock: Clock;
}

const mediaType = /^application\/(merge-patch\+)?json\b/;

export function documentRoutes({ documents, clock }: DocumentRoutes): Hono {
  const app = new Hono();

  app.get('/:scope', async (c) => {
    const scope = scopeOf(c);
    if (scope === undefined) return refuse(c, noSuchScope);
    const view = await documents.read(scope);
    return view.ok ? c.json(view.value) : refuse(c, view.error);
  });

  app.patch('/:scope', async (c) => {
    const scope = scopeOf(c);
    if (scope === undefined) return refuse(c, noSuchScope);
    if (!mediaType.test(c.req.header('content-type') ?? ''))
      return refuse(c, failure('invalid_argument', 'expected application/merge-patch+json'));
    const patch = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the patch');
    if (!patch.ok) return refuse(c, patch.error);
    const view = await documents.patch(scope, patch.value);
    return view.ok ? c.json(view.value) : refuse(c, view.error);
  });

  // An event's id is the document's version; `Last-Event-ID` of what is current gets nothing until the next change.
  app.get('/:scope/stream', (c) => {
    const scope = scopeOf(c);
    if (scope === undefined) return refuse(c, noSuchScope);
    const from = c.req.header('last-event-id') ?? c.req.query('after');
    if (from !== undefined && !/^\d{1,15}$/.test(from))
      return refuse(c, failure('invalid_argument', `'${from.slice(0, 32)}' is no event id`));
    // A HEAD runs this handler too, and nobody reads, or ends, the stream that it would open.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' });
    const gone = new AbortController();
    const seen = from === undefined ? undefined : Number(from);
    const views = documents.stream.subscribe(scope, seen, gone.signal);
    if (!views.ok) return refuse(c, views.error);
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => gone.abort());
      try {
        await stream.write(': connected\n\n');
        keepAlive(clock, gone.signal, () => stream.write(': still here\n\n'));
        for await (const view of views.value)
          await stream.writeSSE({
            id: String(view.version),
            event: 'document',
            data: JSON.stringify(view),
          });
      } finally {
        gone.abort();
      }
    });
  });
  return app;
}

const noSuchScope = failure('not_found', `expected one of ${documentScopes.join(', ')}`);

const scopeOf = (c: Context): DocumentScope | undefined =>
  documentScopes.find((scope) => scope === c.req.param('scope'));
