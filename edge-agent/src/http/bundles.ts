// The bundles that this device runs, for who runs them elsewhere: a browser. Only the stages of the device.

import type { Bundle } from '@skerry/models/node';
import { failure } from '@skerry/shared';
import { Hono } from 'hono';
import { refuse } from './refuse.ts';

export interface BundleRoutes {
  readonly bundles: () => readonly Bundle[];
}

export function bundleRoutes({ bundles }: BundleRoutes): Hono {
  const app = new Hono();
  const find = (name: string) => bundles().find(({ manifest }) => manifest.name === name);

  app.get('/', (c) => c.json({ bundles: bundles().map(({ manifest }) => manifest.name) }));
  app.get('/:model', (c) => {
    const bundle = find(c.req.param('model'));
    if (bundle === undefined) return refuse(c, failure('model_not_found', 'no such bundle here'));
    const { digest, manifest, variant } = bundle;
    return c.json({ digest, manifest, variant });
  });
  app.get('/:model/stages/:stage', (c) => {
    const bytes = find(c.req.param('model'))?.stages.get(c.req.param('stage'));
    if (bytes === undefined) return refuse(c, failure('not_found', 'no such stage here'));
    return c.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/octet-stream',
    });
  });
  return app;
}
