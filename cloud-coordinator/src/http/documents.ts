// Documents for operators: a device's twin, a site's document, the fleet's policy. Changed by JSON merge patch (RFC 7396).

import { failure, nameSchema, parseJson } from '@skerry/shared';
import { fleetDocument, siteDocument, twinOf } from '@skerry/sync-protocol/documents';
import { respondFailure } from '@skerry/sync-protocol/http';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Documents } from '../documents/documents.ts';

const patchBytesMax = 256 * 1024;
const mediaType = /^application\/(merge-patch\+)?json\b/;

export function documentRoutes(documents: Pick<Documents, 'read' | 'patch'>): Hono {
  const app = new Hono();
  const tooLarge = failure('too_large', `the body exceeds ${patchBytesMax} bytes`);
  const bounded = bodyLimit({
    maxSize: patchBytesMax,
    onError: (c) => respondFailure(c, tooLarge),
  });

  const serve = (path: string, documentOf: (name: string) => string): void => {
    const nameIn = (c: Context): string | undefined => {
      const name = c.req.param('name') ?? 'policy';
      return nameSchema.safeParse(name).success ? documentOf(name) : undefined;
    };
    app.get(path, async (c) => {
      const document = nameIn(c);
      if (document === undefined) return respondFailure(c, noSuchName);
      const view = await documents.read(document);
      return view.ok ? c.json(view.value) : respondFailure(c, view.error);
    });
    app.patch(path, bounded, async (c) => {
      const document = nameIn(c);
      if (document === undefined) return respondFailure(c, noSuchName);
      if (!mediaType.test(c.req.header('content-type') ?? ''))
        return respondFailure(
          c,
          failure('invalid_argument', 'expected application/merge-patch+json'),
        );
      const patch = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the patch');
      if (!patch.ok) return respondFailure(c, patch.error);
      const view = await documents.patch(document, patch.value);
      return view.ok ? c.json(view.value) : respondFailure(c, view.error);
    });
  };
  serve('/devices/:name/twin', twinOf);
  serve('/sites/:name/document', siteDocument);
  serve('/fleet/policy', () => fleetDocument);
  return app;
}

const noSuchName = failure('not_found', 'no such name');
