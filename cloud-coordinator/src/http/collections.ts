// Collections over HTTP: what `skerry collection` calls. Documents come in as blobs, and then the draft that names them.

import { describeIssues, failure, nameSchema, type Result } from '@skerry/shared';
import { snapshotDraftSchema } from '@skerry/sync-protocol/collections';
import { respondFailure } from '@skerry/sync-protocol/http';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { subscriptionOrderSchema } from '../retrieve/collection-event.ts';
import type { OpenedCollections } from '../retrieve/open-collections.ts';
import { byOf, type OperatorEnvironment } from './operator-gate.ts';
import { readJson } from './read-json.ts';

export interface CollectionRoutesPorts {
  readonly collections: Pick<
    OpenedCollections,
    'collections' | 'holders' | 'offer' | 'publishOffer'
  >;
}

const bySchema = z.string().min(1).max(128).optional();
export const publishQuerySchema = z.strictObject({ by: bySchema });
export const subscribeSchema = z.strictObject({
  order: subscriptionOrderSchema.nullable().describe('null ends it'),
  by: bySchema,
});
export const collectionQuerySchema = z.strictObject({
  devices: z.coerce.number().int().min(0).max(1_000).default(100),
});

/** A hundred thousand documents as a draft lists them. */
const draftBytesMax = 64 * 1024 * 1024;
const orderBytesMax = 1024 * 1024;

export function collectionRoutes({ collections: opened }: CollectionRoutesPorts) {
  const { collections } = opened;
  const app = new Hono<OperatorEnvironment>();
  const bounded = (maxSize: number) =>
    bodyLimit({
      maxSize,
      onError: (c) => respondFailure(c, failure('too_large', `more than ${maxSize} bytes`)),
    });
  const answer = <T extends object>(c: Context, result: Result<T>) =>
    result.ok ? c.json(result.value) : respondFailure(c, result.error);

  const published = (c: Context, result: Awaited<ReturnType<typeof collections.publish>>) => {
    if (!result.ok) return respondFailure(c, result.error);
    return 'lacking' in result.value
      ? c.json(result.value, 409)
      : c.json(result.value, result.value.unchanged ? 200 : 201);
  };

  app.get('/collections', async (c) => {
    const names = await collections.list();
    return names.ok ? c.json({ collections: names.value }) : respondFailure(c, names.error);
  });

  app.get('/collections/:name', async (c) => {
    const query = collectionQuerySchema.safeParse(c.req.query());
    if (!query.success)
      return respondFailure(c, failure('invalid_argument', describeIssues(query.error, 'query')));
    const collection = c.req.param('name');
    const state = await collections.state(collection);
    if (!state.ok) return respondFailure(c, state.error);
    const held = await opened.holders(collection, query.data.devices);
    if (!held.ok) return respondFailure(c, held.error);
    const { snapshots, subscriptions } = state.value;
    const shown = { snapshots, subscriptions: Object.fromEntries(subscriptions) };
    return c.json({ collection, ...shown, holders: held.value });
  });

  app.post('/collections/:name/snapshots', bounded(draftBytesMax), async (c) => {
    const draft = await readJson(c, snapshotDraftSchema);
    if (!draft.ok) return respondFailure(c, draft.error);
    if (draft.value.collection !== c.req.param('name'))
      return respondFailure(c, failure('invalid_argument', 'the draft is of another collection'));
    const by = bySchema.safeParse(c.req.query('by')).data;
    return published(c, await collections.publish(draft.value, byOf(c, by)));
  });

  app.get('/collections/:name/offers/:device', async (c) => {
    const { name, device } = c.req.param();
    return answer(c, await opened.offer(name, device));
  });

  app.post('/collections/:name/offers/:device', bounded(orderBytesMax), async (c) => {
    const { name, device } = c.req.param();
    const by = bySchema.safeParse(c.req.query('by')).data;
    return published(c, await opened.publishOffer(name, device, byOf(c, by)));
  });

  app.get('/collections/:name/snapshots/:sequence', async (c) => {
    const { name, sequence } = c.req.param();
    const manifest = await collections.manifest(name, Number(sequence));
    if (!manifest.ok) return respondFailure(c, manifest.error);
    const body = new Uint8Array(manifest.value);
    return c.body(body, 200, { 'content-type': 'application/json' });
  });

  app.put('/collections/:name/subscriptions/:id', bounded(orderBytesMax), async (c) => {
    const { name: collection, id } = c.req.param();
    if (!nameSchema.safeParse(id).success)
      return respondFailure(c, failure('invalid_argument', `'${id}' is no name`));
    const body = await readJson(c, subscribeSchema);
    if (!body.ok) return respondFailure(c, body.error);
    const { order, by } = body.value;
    const done = await collections.subscribe(collection, id, order ?? undefined, byOf(c, by));
    const state = order === null ? 'unsubscribed' : 'subscribed';
    return done.ok ? c.json({ collection, id, state }) : respondFailure(c, done.error);
  });
  return app;
}
