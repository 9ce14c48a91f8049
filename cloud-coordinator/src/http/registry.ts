// The registry over HTTP: what `skerry model` calls. A bundle comes in as its files, each a blob, and then its manifest.

import { manifestBytesMax } from '@skerry/models/node';
import { describeIssues, type Failure, failure, type Result } from '@skerry/shared';
import type { ServeBlob } from '@skerry/sync-protocol/blobs';
import { respondFailure } from '@skerry/sync-protocol/http';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import {
  aliasSchema,
  type ModelState,
  type ModelVersion,
  type Registry,
  reasonSchema,
  versionStates,
} from '../update/registry/index.ts';
import { byOf, type OperatorEnvironment } from './operator-gate.ts';
import { readJson } from './read-json.ts';

const bySchema = z.string().min(1).max(128);
export const lineageSchema = z.strictObject({
  by: bySchema.optional(),
  revision: z.string().min(1).max(128).optional(),
  run: z.string().min(1).max(128).optional(),
});
export const aliasMoveSchema = z.strictObject({
  version: z.string().min(1).max(64).nullable(),
  by: bySchema.optional(),
});
export const stateSchema = z.strictObject({
  state: z.enum(versionStates),
  reason: reasonSchema,
  by: bySchema.optional(),
});

/** @param serveBlob over the coordinator's whole store */
export function registryRoutes(registry: Registry, serveBlob: ServeBlob) {
  const app = new Hono<OperatorEnvironment>();
  const tooLarge = failure('too_large', `a manifest above ${manifestBytesMax} bytes`);
  const bounded = bodyLimit({
    maxSize: manifestBytesMax,
    onError: (c) => respondFailure(c, tooLarge),
  });
  const answer = async <T>(c: Context, result: Result<T>, show: (value: T) => object) =>
    result.ok ? c.json(show(result.value)) : respondFailure(c, result.error);

  // A file of a bundle, and no other blob of the coordinator's: what devices have put is theirs.
  app.all('/files/:digest', (c) => {
    const digest = c.req.param('digest');
    if (c.req.method === 'GET' && !registry.keeps(digest))
      return respondFailure(c, failure('not_found', `no bundle has ${digest}`));
    return serveBlob(c.req.raw, digest);
  });

  app.get('/', async (c) => answer(c, await registry.models(), (models) => ({ models })));

  app.post('/', bounded, async (c) => {
    const query = lineageSchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalid(query.error));
    const { by, ...lineage } = query.data;
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    const published = await registry.publish(bytes, byOf(c, by), lineage);
    if (!published.ok) return respondFailure(c, clientsFault(published.error));
    return 'lacking' in published.value
      ? c.json(published.value, 409)
      : c.json(published.value, 201);
  });

  app.get('/:model', async (c) => answer(c, await registry.model(c.req.param('model')), viewOf));

  app.get('/:model/history', async (c) =>
    answer(c, await registry.history(c.req.param('model')), (events) => ({ events })),
  );

  app.get('/:model/versions/:version', async (c) => {
    const { model, version } = c.req.param();
    return answer(c, await registry.version(model, version), versionView);
  });

  app.get('/:model/compare/:from/:to', async (c) => {
    const { model, from, to } = c.req.param();
    return answer(c, await registry.compare(model, from, to), (comparison) => comparison);
  });

  app.put('/:model/aliases/:alias', bounded, async (c) => {
    const { model } = c.req.param();
    const alias = aliasSchema.safeParse(c.req.param('alias'));
    if (!alias.success) return respondFailure(c, invalid(alias.error));
    const body = await readJson(c, aliasMoveSchema);
    if (!body.ok) return respondFailure(c, body.error);
    const { version, by } = body.value;
    const moved = await registry.moveAlias(model, alias.data, version ?? undefined, byOf(c, by));
    return answer(c, moved, () => ({ model, alias: alias.data, version }));
  });

  app.put('/:model/versions/:version/state', bounded, async (c) => {
    const { model, version } = c.req.param();
    const body = await readJson(c, stateSchema);
    if (!body.ok) return respondFailure(c, body.error);
    const { state, reason, by } = body.value;
    const changed = await registry.setState(model, version, state, reason, byOf(c, by));
    return answer(c, changed, () => ({ model, version, state }));
  });

  return app;
}

const viewOf = ({ versions, aliases }: ModelState) => ({
  versions: [...versions.values()].map(versionView),
  aliases: Object.fromEntries(aliases),
});

const versionView = ({ manifest, ...version }: ModelVersion) => ({
  ...version,
  bundle: manifest.digest,
  manifestBytes: manifest.bytes,
});

/** A bundle that breaks a rule is its sender's fault. */
const clientsFault = (failed: Failure): Failure =>
  failed.code === 'invalid_bundle' || failed.code === 'digest_mismatch'
    ? failure('invalid_argument', failed.message)
    : failed;

const invalid = (error: z.ZodError): Failure => failure('invalid_argument', describeIssues(error));
