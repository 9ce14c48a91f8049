// The coordinator's HTTP API, for operators and for what watches the process. What changes here are documents,
// rollouts, learning runs and collections alone.

import type { RestHandler } from '@skerry/models/open-inference';
import type { TextHandler } from '@skerry/models/openai';
import { type Clock, describeIssues, type Failure, failure, type Log } from '@skerry/shared';
import type { CoordinatorStore, SuspicionRecord } from '@skerry/sync-protocol';
import { respondFailure } from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { z } from 'zod';
import type { Documents } from '../documents/documents.ts';
import type { DeviceRegistry } from '../fleet/device-registry.ts';
import type { CloudModels } from '../infer/cloud-models.ts';
import type { UpstreamPool } from '../infer/upstreams/upstream-pool.ts';
import type { DecisionFeed } from '../observe/decision-feed.ts';
import type { Metrics } from '../observe/metrics.ts';
import { type Audits, auditWindowDays } from '../route/audits.ts';
import { type CollectionRoutesPorts, collectionRoutes } from './collections.ts';
import type { ConsoleFile } from './console-files.ts';
import { streamDecisions } from './decision-stream.ts';
import { documentRoutes } from './documents.ts';
import { type LearnRoutesPorts, learnRoutes } from './learn.ts';
import { openInferenceRoutes } from './open-inference.ts';
import { describeOperatorApi } from './openapi/operator-api.ts';
import { pageSchema, riskQuerySchema } from './queries.ts';
import { type RolloutRoutesPorts, rolloutRoutes } from './rollouts.ts';
import { textRoutes } from './text.ts';

export interface AppPorts {
  readonly devices: Pick<DeviceRegistry, 'list' | 'get' | 'totals'>;
  readonly audits: Pick<Audits, 'report'>;
  readonly store: Pick<CoordinatorStore, 'suspicions'>;
  readonly models: Pick<CloudModels, 'list'>;
  readonly openInference: RestHandler;
  readonly text: TextHandler;
  readonly bodyBytesMax: number;
  readonly upstreams: Pick<UpstreamPool, 'status'>;
  readonly documents: Pick<Documents, 'read' | 'patch'>;
  /** Absent: this coordinator moves nobody. */
  readonly rollouts?: RolloutRoutesPorts['rollouts'] | undefined;
  /** Absent: nobody learns here. */
  readonly learning?: LearnRoutesPorts['learning'] | undefined;
  /** Absent: no libraries are published here. */
  readonly collections?: CollectionRoutesPorts['collections'] | undefined;
  readonly decisions: DecisionFeed;
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  readonly consoleFiles: readonly ConsoleFile[];
  readonly clock: Clock;
  readonly log: Log;
  /** Whether devices can be served now. */
  ready(): boolean;
}

export function createApp(ports: AppPorts): Hono {
  const { devices, store, models, metrics, log } = ports;
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
      // Plain HTTP on loopback is the default, and a promise of TLS would lock browsers out of it.
      strictTransportSecurity: false,
    }),
  );
  app.notFound((c) => respondFailure(c, failure('not_found', `nothing at ${c.req.path}`)));
  app.onError((error, c) => {
    log.error({ path: c.req.path, reason: error.message }, 'a request failed');
    return respondFailure(c, failure('unavailable', 'the request failed; the log says why'));
  });

  for (const { path, type, body } of ports.consoleFiles)
    app.get(path, (c) => c.body(body, 200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }));

  app.get('/healthz', (c) => c.json({ live: true, ready: ports.ready() }));
  app.route('/v2', openInferenceRoutes(ports.openInference, ports.bodyBytesMax));
  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  );

  app.route('/v1', textRoutes(ports.text));
  app.route('/v1', documentRoutes(ports.documents));
  const { rollouts, learning, collections } = ports;
  if (rollouts !== undefined) app.route('/v1', rolloutRoutes({ ...ports, rollouts }));
  if (learning !== undefined) app.route('/v1', learnRoutes({ ...ports, learning }));
  if (collections !== undefined) app.route('/v1', collectionRoutes({ collections }));
  app.get('/v1/devices', async (c) => {
    const query = pageSchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalidQuery(query.error));
    const page = devices.list(query.data.limit, query.data.after);
    // What each decided lately is told by the device's own page, and by the stream.
    const suspicions = await store.suspicions(page.map(({ device }) => device));
    if (!suspicions.ok) return respondFailure(c, suspicions.error);
    const listed = page.map(({ status, ...view }) => {
      const device = { ...view, suspicions: suspicionsOf(view.device, suspicions.value) };
      if (status === undefined) return device;
      const { recent: _, ...rest } = status;
      return { ...device, status: rest };
    });
    return c.json({ devices: listed, totals: devices.totals() });
  });
  app.get('/v1/devices/:device', async (c) => {
    const id = c.req.param('device');
    const device = devices.get(id);
    if (device === undefined) return respondFailure(c, failure('not_found', `no device '${id}'`));
    const suspicions = await store.suspicions([id]);
    return suspicions.ok
      ? c.json({ ...device, suspicions: suspicionsOf(id, suspicions.value) })
      : respondFailure(c, suspicions.error);
  });
  const description = JSON.stringify(describeOperatorApi());
  app.get('/v1/openapi.json', (c) =>
    c.body(description, 200, { 'Content-Type': 'application/json' }),
  );
  app.get('/v1/upstreams', (c) => c.json({ upstreams: ports.upstreams.status() }));
  app.get('/v1/stages', (c) =>
    c.json({
      stages: models.list().map(({ model, version, variant, stage, exit, input }) => {
        return { name: model, version, variant, stage, exit, input };
      }),
    }),
  );
  app.get('/v1/risks', async (c) => {
    const query = riskQuerySchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalidQuery(query.error));
    const risks = await ports.audits.report(query.data.device);
    return risks.ok
      ? c.json({ windowDays: auditWindowDays, risks: risks.value })
      : respondFailure(c, risks.error);
  });
  app.get('/v1/decisions/stream', (c) => {
    // A HEAD runs this handler too, and nobody reads, or ends, the stream that it would open.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    const stream = streamDecisions(c, ports.decisions, ports.clock, log);
    return stream.ok ? stream.value : respondFailure(c, stream.error);
  });
  return app;
}

/** [EPO4] Whether this device's disk went back in time or ran twice: how often, and when. */
function suspicionsOf(device: string, all: readonly SuspicionRecord[]) {
  return all.filter((each) => each.device === device).map(({ device: _, ...rest }) => rest);
}

function invalidQuery(error: z.ZodError): Failure {
  return failure('invalid_argument', `query: ${describeIssues(error)}`);
}
