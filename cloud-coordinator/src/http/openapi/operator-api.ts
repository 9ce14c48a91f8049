// Every route of the operator's API, for its OpenAPI document: a test compares it with what the apps serve. The Open
// Inference Protocol under /v2, OpenAI's API and the metrics are standards of their own and described by these.

import { digestSchema, nameSchema } from '@skerry/shared';
import { deviceStatusSchema } from '@skerry/sync-protocol';
import { offerSchema, snapshotDraftSchema } from '@skerry/sync-protocol/collections';
import { z } from 'zod';
import { runPlanSchema } from '../../learn/runs/index.ts';
import { rolloutPlanSchema } from '../../update/rollouts/index.ts';
import {
  collectionListSchema,
  collectionViewSchema,
  documentsLackingSchema,
  snapshotPublishedSchema,
  subscriptionViewSchema,
} from '../collection-views.ts';
import { collectionQuerySchema, publishQuerySchema, subscribeSchema } from '../collections.ts';
import { roundsQuerySchema } from '../learn.ts';
import { contributionsSchema, roundsSchema, runListSchema, runViewSchema } from '../learn-views.ts';
import { pageSchema, riskQuerySchema } from '../queries.ts';
import { aliasMoveSchema, lineageSchema, stateSchema } from '../registry.ts';
import {
  aliasViewSchema,
  comparisonSchema,
  historySchema,
  lackingSchema,
  modelsSchema,
  modelViewSchema,
  publishedSchema,
  stateViewSchema,
  versionViewSchema,
} from '../registry-views.ts';
import {
  fleetViewSchema,
  rolloutListSchema,
  rolloutViewSchema,
  whySchema,
} from '../rollout-views.ts';
import {
  approvalSchema,
  bundleOrderSchema,
  createQuerySchema,
  listQuerySchema,
  orderSchema,
} from '../rollouts.ts';
import { type ApiDescription, describeApi, type RouteDescription } from './describe-api.ts';

const bytes = {
  schema: z.string().meta({ contentEncoding: 'binary' }),
  mediaType: 'application/octet-stream',
};
const some = z.looseObject({});

export const deviceViewSchema = z.object({
  device: nameSchema,
  epoch: z.string(),
  firstSeenMs: z.int(),
  lastSeenMs: z.int(),
  statusMs: z.int().optional().describe('when its status came'),
  online: z.boolean(),
  status: deviceStatusSchema.optional(),
  suspicions: z
    .array(z.object({ kind: z.string(), times: z.int(), firstMs: z.int(), lastMs: z.int() }))
    .describe('whether its disk went back in time or ran twice'),
});
export const devicesSchema = z.object({
  devices: z.array(deviceViewSchema),
  totals: z.object({ known: z.int(), online: z.int() }),
});
const patchSchema = some.describe('JSON merge patch, RFC 7396');

const json = (schema: z.ZodType) => ({ schema });
const events = { schema: z.string(), mediaType: 'text/event-stream' };

const registry = (route: Omit<RouteDescription, 'tag'>): RouteDescription => ({
  ...route,
  path: `/v1/registry${route.path}`,
  tag: 'registry',
});
const collection = (route: Omit<RouteDescription, 'tag'>): RouteDescription => ({
  ...route,
  path: `/v1/collections${route.path}`,
  tag: 'collections',
});
const rollout = (route: Omit<RouteDescription, 'tag' | 'answer'>): RouteDescription => ({
  answer: json(rolloutViewSchema),
  ...route,
  path: `/v1/rollouts${route.path}`,
  tag: 'rollouts',
});
const learn = (route: Omit<RouteDescription, 'tag' | 'answer'>): RouteDescription => ({
  answer: json(runViewSchema),
  ...route,
  path: `/v1/learn${route.path}`,
  tag: 'learn',
});
const order = (name: string, summary: string, schema: z.ZodType = orderSchema): RouteDescription =>
  rollout({ method: 'post', path: `/:id/${name}`, summary, body: json(schema) });
const fleetOrder = (name: string, summary: string, schema: z.ZodType): RouteDescription => ({
  method: 'post',
  path: `/v1/fleet/${name}`,
  tag: 'fleet',
  summary,
  body: json(schema),
  answer: json(fleetViewSchema),
});
const document = (path: string, summary: string): readonly RouteDescription[] => [
  { method: 'get', path, tag: 'documents', summary, answer: json(some) },
  {
    method: 'patch',
    path,
    tag: 'documents',
    summary: `${summary}: changed`,
    body: { schema: patchSchema, mediaType: 'application/merge-patch+json' },
    answer: json(some),
  },
];

export const operatorRoutes: readonly RouteDescription[] = [
  registry({
    method: 'head',
    path: '/files/:digest',
    summary: 'how much of a file is there: Upload-Offset, Upload-Complete',
  }),
  registry({ method: 'get', path: '/files/:digest', summary: 'a file', answer: bytes }),
  registry({
    method: 'put',
    path: '/files/:digest',
    summary: 'a file, or by Content-Range a part that begins at a multiple of 64 KiB',
    body: bytes,
    status: 201,
    others: { 202: { about: 'a part of it is here', ...json(z.null()) } },
  }),
  registry({ method: 'get', path: '', summary: 'all models', answer: json(modelsSchema) }),
  registry({
    method: 'post',
    path: '',
    summary: 'publishes the bundle of this manifest.json, whose files are here',
    query: lineageSchema,
    body: json(some),
    status: 201,
    answer: json(publishedSchema),
    others: { 409: { about: 'files lack', ...json(lackingSchema) } },
  }),
  registry({
    method: 'get',
    path: '/:model',
    summary: 'its versions and aliases',
    answer: json(modelViewSchema),
  }),
  registry({
    method: 'get',
    path: '/:model/history',
    summary: 'all that has happened to it',
    answer: json(historySchema),
  }),
  registry({
    method: 'get',
    path: '/:model/versions/:version',
    summary: 'a version, also by an alias',
    answer: json(versionViewSchema),
  }),
  registry({
    method: 'get',
    path: '/:model/compare/:from/:to',
    summary: 'two versions side by side',
    answer: json(comparisonSchema),
  }),
  registry({
    method: 'put',
    path: '/:model/aliases/:alias',
    summary: 'points an alias to a version, or with null takes it away',
    body: json(aliasMoveSchema),
    answer: json(aliasViewSchema),
  }),
  registry({
    method: 'put',
    path: '/:model/versions/:version/state',
    summary: 'archives, restores or decommissions a version',
    body: json(stateSchema),
    answer: json(stateViewSchema),
  }),

  collection({
    method: 'get',
    path: '',
    summary: 'the libraries’ collections that are published here',
    answer: json(collectionListSchema),
  }),
  collection({
    method: 'get',
    path: '/:name',
    summary: 'its snapshots, who shall hold it, and how far each device is',
    query: collectionQuerySchema,
    answer: json(collectionViewSchema),
  }),
  collection({
    method: 'post',
    path: '/:name/snapshots',
    summary: 'publishes the next snapshot, whose documents’ blobs are here',
    query: publishQuerySchema,
    body: json(snapshotDraftSchema),
    status: 201,
    answer: json(snapshotPublishedSchema),
    others: {
      200: { about: 'it holds what the last one does', ...json(snapshotPublishedSchema) },
      409: { about: 'blobs lack', ...json(documentsLackingSchema) },
    },
  }),
  collection({
    method: 'get',
    path: '/:name/offers/:device',
    summary: 'what a device offers of a collection of its own',
    answer: json(offerSchema),
  }),
  collection({
    method: 'post',
    path: '/:name/offers/:device',
    summary: 'publishes what a device offers as the next snapshot',
    query: publishQuerySchema,
    status: 201,
    answer: json(snapshotPublishedSchema),
    others: {
      200: { about: 'it holds what the last one does', ...json(snapshotPublishedSchema) },
    },
  }),
  collection({
    method: 'get',
    path: '/:name/snapshots/:sequence',
    summary: 'its manifest, as it is to be signed',
    answer: json(some),
  }),
  collection({
    method: 'put',
    path: '/:name/subscriptions/:id',
    summary: 'says which devices hold it and as whom, or with null ends that',
    body: json(subscribeSchema),
    answer: json(subscriptionViewSchema),
  }),

  {
    ...rollout({ method: 'get', path: '', summary: 'the latest, the newest first' }),
    query: listQuerySchema,
    answer: json(rolloutListSchema),
  },
  rollout({
    method: 'post',
    path: '',
    summary: 'moves a fleet to a version',
    query: createQuerySchema,
    body: json(rolloutPlanSchema),
    status: 201,
  }),
  rollout({ method: 'get', path: '/:id', summary: 'its waves, evidence and reasons' }),
  {
    ...rollout({ method: 'get', path: '/:id/events', summary: 'the same at each change' }),
    answer: events,
  },
  order('approve', 'lets the wave begin that waits for it', approvalSchema),
  order('pause', 'nothing further begins'),
  order('resume', 'ends a pause'),
  order('abort', 'ends it; who has confirmed keeps it'),
  order('rollback', 'turns everybody back and quarantines the bundle'),

  {
    ...learn({ method: 'get', path: '', summary: 'the latest, the newest first' }),
    query: listQuerySchema,
    answer: json(runListSchema),
  },
  learn({
    method: 'post',
    path: '',
    summary: 'lets a fleet learn',
    query: createQuerySchema,
    body: json(runPlanSchema),
    status: 201,
  }),
  learn({ method: 'get', path: '/:id', summary: 'its latest rounds and reasons' }),
  {
    ...learn({ method: 'get', path: '/:id/events', summary: 'the same at each change' }),
    answer: events,
  },
  learn({
    method: 'post',
    path: '/:id/stop',
    summary: 'ends it; what it has learned is kept',
    body: json(orderSchema),
  }),
  {
    ...learn({ method: 'get', path: '/:id/rounds', summary: 'what each has come to' }),
    query: roundsQuerySchema,
    answer: json(roundsSchema),
  },
  {
    ...learn({
      method: 'get',
      path: '/:id/rounds/:round/updates',
      summary: 'whose are in its model',
    }),
    answer: json(contributionsSchema),
  },

  {
    method: 'get',
    path: '/v1/fleet',
    tag: 'fleet',
    summary: 'what holds for every device',
    answer: json(fleetViewSchema),
  },
  fleetOrder('stop', 'nothing begins, and what is not confirmed goes back', orderSchema),
  fleetOrder('resume', 'ends a stop', orderSchema),
  fleetOrder('quarantine', 'nobody may run this bundle', bundleOrderSchema),
  fleetOrder('release', 'ends a quarantine', bundleOrderSchema),

  {
    method: 'get',
    path: '/v1/devices',
    tag: 'devices',
    summary: 'by name, a page at a time',
    query: pageSchema,
    answer: json(devicesSchema),
  },
  {
    method: 'get',
    path: '/v1/devices/:device',
    tag: 'devices',
    summary: 'all that is known of it',
    answer: json(deviceViewSchema),
  },
  {
    method: 'get',
    path: '/v1/devices/:device/why',
    tag: 'devices',
    summary: 'why it stands where it stands',
    answer: json(whySchema),
  },
  ...document('/v1/devices/:name/twin', 'a device’s twin'),
  ...document('/v1/sites/:name/document', 'a site’s document'),
  ...document('/v1/fleet/policy', 'the fleet’s policy'),

  {
    method: 'get',
    path: '/v1/risks',
    tag: 'observe',
    summary: 'the true risk of confident answers, from audits',
    query: riskQuerySchema,
    answer: json(z.object({ windowDays: z.int(), risks: z.array(some) })),
  },
  {
    method: 'get',
    path: '/v1/decisions/stream',
    tag: 'observe',
    summary: 'decisions of devices, as they come',
    answer: events,
  },
  {
    method: 'get',
    path: '/v1/upstreams',
    tag: 'observe',
    summary: 'servers that compute for this coordinator',
    answer: json(z.object({ upstreams: z.array(some) })),
  },
  {
    method: 'get',
    path: '/v1/stages',
    tag: 'observe',
    summary: 'what it computes itself',
    answer: json(z.object({ stages: z.array(some) })),
  },
  {
    method: 'get',
    path: '/v1/openapi.json',
    tag: 'observe',
    summary: 'this document',
    answer: json(some),
  },
  {
    method: 'get',
    path: '/healthz',
    tag: 'observe',
    summary: 'whether the process lives and can serve devices',
    answer: json(z.object({ live: z.boolean(), ready: z.boolean() })),
    isOpen: true,
  },
];

const operatorApi: ApiDescription = {
  title: 'Skerry coordinator',
  about: 'What the operator of a fleet asks for. `skerry` is its command line.',
  version: '0.1.0',
  routes: operatorRoutes,
  named: {
    RolloutPlan: rolloutPlanSchema,
    Rollout: rolloutViewSchema,
    LearnPlan: runPlanSchema,
    LearnRun: runViewSchema,
    Fleet: fleetViewSchema,
    Device: deviceViewSchema,
    ModelVersion: versionViewSchema,
  },
  parameters: {
    digest: digestSchema,
    device: nameSchema,
    name: nameSchema,
    id: nameSchema,
    model: nameSchema,
  },
};

export const describeOperatorApi = () => describeApi(operatorApi);
