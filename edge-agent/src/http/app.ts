// The device's local API. Errors are {"error", "code"}, as the Open Inference Protocol has them plus our code.

import { failure, type Log, messageOf } from '@skerry/shared';
import { Hono } from 'hono';
import type { LibraryCaches } from '../retrieve/cache/caches.ts';
import { type AnswerRoutes, answerRoutes } from './answers.ts';
import { boundBody } from './bound-body.ts';
import { type BundleRoutes, bundleRoutes } from './bundles.ts';
import { cacheRoutes } from './caches.ts';
import { type CollectionRoutes, collectionRoutes } from './collections.ts';
import { type ConversationRoutes, conversationRoutes } from './conversations.ts';
import { type DocumentRoutes, documentRoutes } from './documents.ts';
import { type EscalationRoutes, escalationRoutes } from './escalations.ts';
import { type LearnRoutes, learnRoutes } from './learn.ts';
import { type OpenInferenceRoutes, openInferenceRoutes } from './open-inference.ts';
import { pageRoutes } from './page.ts';
import { refuse } from './refuse.ts';
import { snapshotRoutes } from './snapshots.ts';
import { type TextRoutes, textRoutes } from './text.ts';
import { type UpdateRoutes, updateRoutes } from './updates.ts';

export interface AppPorts
  extends OpenInferenceRoutes,
    AnswerRoutes,
    DocumentRoutes,
    BundleRoutes,
    EscalationRoutes,
    TextRoutes,
    UpdateRoutes,
    LearnRoutes {
  /** Where there is a library. */
  readonly collections?: CollectionRoutes;
  readonly conversations?: ConversationRoutes;
  readonly caches?: LibraryCaches;
  readonly bodyBytesMax: number;
  readonly log: Log;
  /** A request was refused with this code. */
  readonly onRefused: (code: string) => void;
  /** Prometheus text exposition. */
  readonly metrics: () => Promise<string>;
  readonly health: () => Readonly<Record<string, unknown>>;
}

export function createApp(ports: AppPorts): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    const code = c.get('refused');
    if (code !== undefined) ports.onRefused(code);
  });
  app.route('/v1', textRoutes(ports));
  if (ports.collections !== undefined)
    app
      .route('/v1', collectionRoutes(ports.collections))
      .route('/v1', snapshotRoutes(ports.collections));
  if (ports.conversations !== undefined)
    app.route('/v1/conversations', conversationRoutes(ports.conversations));
  if (ports.caches !== undefined) app.route('/v1', cacheRoutes(ports.caches));
  app.use(boundBody(ports.bodyBytesMax));
  app.get('/healthz', (c) => c.json(ports.health()));
  app.get('/metrics', async (c) =>
    c.text(await ports.metrics(), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  );
  app.route('/v2', openInferenceRoutes(ports));
  app.route('/v1/answers', answerRoutes(ports));
  app.route('/v1/documents', documentRoutes(ports));
  app.route('/v1/bundles', bundleRoutes(ports));
  app.route('/v1/escalations', escalationRoutes(ports));
  app.route('/v1/updates', updateRoutes(ports));
  app.route('/v1', learnRoutes(ports));
  app.route('/app', pageRoutes());
  app.notFound((c) => refuse(c, failure('not_found', `no such path: ${c.req.path}`)));
  app.onError((thrown, c) => {
    ports.log.error({ path: c.req.path, reason: messageOf(thrown) }, 'request failed');
    return refuse(c, failure('internal', 'internal error'));
  });
  return app;
}
