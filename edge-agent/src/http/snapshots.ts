// Collections as they travel: what others may take of this device's own, and the proof of what came signed.

import { failure, type Result } from '@skerry/shared';
import { type Context, Hono } from 'hono';
import type { Library } from '../retrieve/library.ts';
import { exportCollection, exportDocument } from '../retrieve/travel/export-collection.ts';
import { provePassage } from '../retrieve/travel/prove-passage.ts';
import { refuse } from './refuse.ts';

export interface SnapshotRoutes {
  readonly library: Library;
  readonly digestOf: (bytes: Uint8Array) => string;
}

export function snapshotRoutes({ library, digestOf }: SnapshotRoutes): Hono {
  const app = new Hono();
  const ports = { library, digestOf };
  const answer = <T extends object>(c: Context, result: Result<T>) =>
    result.ok ? c.json(result.value) : refuse(c, result.error);

  /** A draft: whoever publishes it gives it its number. */
  app.get('/collections/:name/snapshot', async (c) =>
    answer(c, await exportCollection(ports, c.req.param('name'))),
  );

  app.get('/collections/:name/snapshot/document', async (c) => {
    const bytes = await exportDocument(ports, c.req.param('name'), c.req.query('uri') ?? '');
    if (!bytes.ok) return refuse(c, bytes.error);
    if (bytes.value === undefined) return refuse(c, failure('not_found', 'no such document'));
    return c.body(bytes.value, 200, { 'content-type': 'application/octet-stream' });
  });

  app.get('/collections/:name/proof', async (c) => {
    const { uri = '', start = '0', principals = '' } = c.req.query();
    if (!/^\d{1,15}$/.test(start))
      return refuse(c, failure('invalid_argument', 'start: expected a place in the text'));
    const place = { collection: c.req.param('name'), uri, start: Number(start) };
    const reader = { principals: principals.split(',').flatMap((name) => name.trim() || []) };
    return answer(c, await provePassage({ ...library, digestOf }, place, reader));
  });
  return app;
}
