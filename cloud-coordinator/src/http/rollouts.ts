// Rollouts over HTTP, and what holds for the whole fleet: what `skerry rollout`, `rollback`, `stop` and `why` call.

import {
  type Clock,
  describeIssues,
  digestSchema,
  type Failure,
  failure,
  type Log,
  type Result,
} from '@skerry/shared';
import { respondFailure } from '@skerry/sync-protocol/http';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import type { DeviceRegistry } from '../fleet/device-registry.ts';
import { explainDevice } from '../fleet/explain-device.ts';
import type { LearnRuns } from '../learn/runs/index.ts';
import { type RolloutState, type Rollouts, rolloutPlanSchema } from '../update/rollouts/index.ts';
import { byOf, type OperatorEnvironment } from './operator-gate.ts';
import { readJson } from './read-json.ts';
import { detailsOf, fleetViewOf, type RolloutView, summaryOf } from './rollout-views.ts';
import { watchState } from './watch-state.ts';

export interface RolloutRoutesPorts {
  readonly rollouts: Omit<Rollouts, 'turn' | 'close'>;
  readonly devices: Pick<DeviceRegistry, 'get'>;
  /** Why a device takes part in learning, or does not. */
  readonly learning?: Pick<LearnRuns, 'why'> | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A plan may list devices. */
export const planBytesMax = 4 * 1024 * 1024;
const watchersMaxDefault = 64;

const bySchema = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe('who asks, where the token does not say');
export const createQuerySchema = z.strictObject({ by: bySchema });
export const listQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('the latest so many'),
});
export const approvalSchema = z.strictObject({ by: bySchema });
export const orderSchema = z.strictObject({ by: bySchema, reason: z.string().min(1).max(512) });
export const bundleOrderSchema = orderSchema.extend({ bundle: digestSchema });

/** Under `/v1`. */
export function rolloutRoutes(
  { rollouts, devices, learning, clock, log }: RolloutRoutesPorts,
  watchersMax = watchersMaxDefault,
) {
  const app = new Hono<OperatorEnvironment>();
  const tooLarge = failure('too_large', `the body exceeds ${planBytesMax} bytes`);
  const bounded = bodyLimit({
    maxSize: planBytesMax,
    onError: (c) => respondFailure(c, tooLarge),
  });
  const known = new WeakMap<RolloutState, ReturnType<typeof detailsOf>>();
  const summary = (state: RolloutState) => summaryOf(state, rollouts.why(state.plan.id));
  const view = (state: RolloutState): RolloutView => {
    const details = known.get(state) ?? detailsOf(state);
    known.set(state, details);
    return { ...summary(state), ...details };
  };
  const find = (c: Context): RolloutState | undefined => rollouts.get(c.req.param('id') ?? '');
  const noRollout = (c: Context) =>
    respondFailure(c, failure('not_found', `no rollout '${c.req.param('id')}'`));
  const show = (c: Context): Response => {
    const state = find(c);
    return state === undefined ? noRollout(c) : c.json(view(state));
  };

  app.get('/rollouts', (c) => {
    const query = listQuerySchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalid(query.error));
    const latest = rollouts.list().slice(-query.data.limit).reverse();
    return c.json({ rollouts: latest.map(summary) });
  });
  app.post('/rollouts', bounded, async (c) => {
    const query = createQuerySchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalid(query.error));
    const plan = await readJson(c, rolloutPlanSchema);
    if (!plan.ok) return respondFailure(c, plan.error);
    const created = await rollouts.create(plan.value, byOf(c, query.data.by));
    return created.ok
      ? c.json(view(created.value), 201)
      : respondFailure(c, clientsFault(created.error));
  });
  app.get('/rollouts/:id', show);

  /** Carries out what the body asks for, and shows what has become of it. */
  const order = <Body extends { readonly by?: string | undefined }>(
    path: string,
    schema: z.ZodType<Body>,
    act: (body: Body & { readonly by: string }, c: Context) => Promise<Result<void>>,
    respond: (c: Context) => Response,
  ): void => {
    app.post(path, bounded, async (c) => {
      const body = await readJson(c, schema);
      if (!body.ok) return respondFailure(c, body.error);
      const done = await act({ ...body.value, by: byOf(c, body.value.by) }, c);
      return done.ok ? respond(c) : respondFailure(c, done.error);
    });
  };
  const idOf = (c: Context): string => c.req.param('id') ?? '';
  order(
    '/rollouts/:id/approve',
    approvalSchema,
    ({ by }, c) => rollouts.approve(idOf(c), by),
    show,
  );
  order('/rollouts/:id/pause', orderSchema, (given, c) => rollouts.pause(idOf(c), given), show);
  order('/rollouts/:id/resume', orderSchema, (given, c) => rollouts.resume(idOf(c), given), show);
  order('/rollouts/:id/abort', orderSchema, (given, c) => rollouts.abort(idOf(c), given), show);
  order(
    '/rollouts/:id/rollback',
    orderSchema,
    (given, c) => rollouts.rollBack(idOf(c), given),
    show,
  );

  let watchers = 0;
  app.get('/rollouts/:id/events', (c) => {
    if (find(c) === undefined) return noRollout(c);
    // A HEAD runs this handler too, and nobody reads, or ends, the stream that it would open.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    if (watchers >= watchersMax)
      return respondFailure(c, failure('overloaded', `${watchers} viewers are here already`));
    watchers += 1;
    const onEnd = (): void => {
      watchers -= 1;
    };
    const watched = { event: 'rollout', state: () => find(c), show: view };
    return watchState(c, watched, { clock, log, onEnd });
  });

  const fleet = (c: Context): Response => c.json(fleetViewOf(rollouts.fleet()));
  app.get('/fleet', fleet);
  order('/fleet/stop', orderSchema, rollouts.stop, fleet);
  order('/fleet/resume', orderSchema, rollouts.resumeFleet, fleet);
  const ruled =
    (rule: Rollouts['quarantine']) =>
    ({ bundle, ...given }: z.infer<typeof bundleOrderSchema> & { readonly by: string }) =>
      rule(bundle, given);
  order('/fleet/quarantine', bundleOrderSchema, ruled(rollouts.quarantine), fleet);
  order('/fleet/release', bundleOrderSchema, ruled(rollouts.release), fleet);

  app.get('/devices/:device/why', (c) => {
    const { device } = c.req.param();
    const itself = devices.get(device);
    const told = [...rollouts.why(device), ...(learning?.why(device) ?? [])];
    if (itself === undefined && told.length === 0)
      return respondFailure(c, failure('not_found', `no device '${device}'`));
    const own = itself === undefined ? [] : explainDevice(itself, clock.nowMs());
    return c.json({ device, reasons: [...told, ...own] });
  });
  return app;
}

const invalid = (error: z.ZodError): Failure =>
  failure('invalid_argument', `query: ${describeIssues(error)}`);

/** Where the plan pins other bytes than the version is. */
const clientsFault = (failed: Failure): Failure =>
  failed.code === 'digest_mismatch' ? failure('invalid_argument', failed.message) : failed;
