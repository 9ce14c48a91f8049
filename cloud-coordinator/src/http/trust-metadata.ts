// The repository for devices and mirrors. It is public: what it says is signed, and holds no secret. A file with a version
// never changes; the timestamp, and that there is no next root yet, may change at any moment.

import { respondFailure } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import type { TrustRepository } from '../update/trust/repository.ts';

export const trustMetadataPath = '/v1/tuf/metadata/:name';

export function trustMetadataRoutes(repository: Pick<TrustRepository, 'file'>): Hono {
  const app = new Hono();
  app.get(trustMetadataPath, async (c) => {
    const name = c.req.param('name');
    const file = await repository.file(name);
    if (!file.ok) {
      c.header('Cache-Control', 'no-store');
      return respondFailure(c, file.error);
    }
    const caching = name === 'timestamp.json' ? 'no-store' : 'public, max-age=31536000, immutable';
    return c.body(file.value as Uint8Array<ArrayBuffer>, 200, {
      'Content-Type': 'application/json',
      'Cache-Control': caching,
    });
  });
  return app;
}
