// Enrolment over HTTP: the authority's certificate for whoever asks, a certificate for whoever brings a token, and a
// new one for whoever shows one that is still good.

import { describeIssues, failure } from '@skerry/shared';
import { respondFailure } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import type { Enrolment } from '../fleet/enrolment.ts';

export interface EnrolmentRoutes {
  readonly enrolment: Enrolment;
  /** The authority's certificate, as PEM. */
  readonly authority: string;
}

/** Whose certificate came with the request. */
interface Peer {
  readonly kind: 'device' | 'coordinator';
  readonly name: string;
  readonly site: string;
  readonly serial: string;
}

const bodyBytesMax = 8_192;
const enrolSchema = z.strictObject({ token: z.string().max(256), request: z.string() });
const renewSchema = z.strictObject({ request: z.string() });

export function enrolmentRoutes({ enrolment, authority }: EnrolmentRoutes) {
  const app = new Hono<{ Bindings: { peer: Peer | undefined } }>();
  app.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: (c) => respondFailure(c, failure('too_large', `at most ${bodyBytesMax} bytes`)),
    }),
  );
  app.get('/authority', (c) =>
    c.body(authority, 200, { 'Content-Type': 'application/x-pem-file' }),
  );
  app.post('/', async (c) => {
    const body = enrolSchema.safeParse(await c.req.json().catch(() => undefined));
    if (!body.success)
      return respondFailure(c, failure('invalid_argument', describeIssues(body.error)));
    const enrolled = await enrolment.enrol(body.data.token, body.data.request);
    return enrolled.ok ? c.json(enrolled.value, 201) : respondFailure(c, enrolled.error);
  });
  app.post('/renew', async (c) => {
    const { peer } = c.env;
    if (peer?.kind !== 'device')
      return respondFailure(c, failure('unauthenticated', 'show the certificate to be renewed'));
    const body = renewSchema.safeParse(await c.req.json().catch(() => undefined));
    if (!body.success)
      return respondFailure(c, failure('invalid_argument', describeIssues(body.error)));
    const { name: device, site, serial } = peer;
    const renewed = await enrolment.renew({ device, site, serial }, body.data.request);
    return renewed.ok ? c.json(renewed.value, 201) : respondFailure(c, renewed.error);
  });
  return app;
}
