// Blobs for devices. Where devices have certificates they show them here too, and see what is theirs to see; in the
// clear, which is loopback, the digest alone is asked for.

import type { DeviceBlobStore, ServeBlob } from '@skerry/sync-protocol/blobs';
import { type DeviceEnvironment, identifyDevice } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';

export interface BlobRoutes {
  readonly serveBlob: ServeBlob;
  /** What a device sees. */
  readonly storeOf: (device: string) => DeviceBlobStore;
}

/** @param certified whether every device must show its certificate */
export function blobRoutes({ serveBlob, storeOf }: BlobRoutes, certified: boolean) {
  const app = new Hono<DeviceEnvironment>();
  if (certified) app.use(identifyDevice(certified));
  app.all('/v1/blobs/:digest', (c) => {
    const view = certified ? storeOf(c.var.device) : undefined;
    return serveBlob(c.req.raw, c.req.param('digest'), view);
  });
  return app;
}
