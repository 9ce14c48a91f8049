// Blobs for devices. Where devices have certificates they show them here too; in the clear, which is loopback, the
// digest alone is asked for.

import type { ServeBlob } from '@skerry/sync-protocol/blobs';
import { type DeviceEnvironment, identifyDevice } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';

/** @param certified whether every device must show its certificate */
export function blobRoutes(serveBlob: ServeBlob, certified: boolean) {
  const app = new Hono<DeviceEnvironment>();
  if (certified) app.use(identifyDevice(certified));
  app.all('/v1/blobs/:digest', (c) => serveBlob(c.req.raw, c.req.param('digest')));
  return app;
}
