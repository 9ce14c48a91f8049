// Learning runs over HTTP: what `skerry learn` calls.

import {
  type Clock,
  describeIssues,
  type Failure,
  failure,
  type Log,
  type Result,
} from '@skerry/shared';
import { respondFailure } from '@skerry/sync-protocol/http';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { type LearnRuns, type RunState, runPlanSchema } from '../learn/runs/index.ts';
import {
  contributionsOf,
  type RunView,
  roundOf,
  runDetailsOf,
  runSummaryOf,
} from './learn-views.ts';
import { byOf, type OperatorEnvironment } from './operator-gate.ts';
import { readJson } from './read-json.ts';
import { createQuerySchema, listQuerySchema, orderSchema, planBytesMax } from './rollouts.ts';
import { watchState } from './watch-state.ts';

export interface LearnRoutesPorts {
  readonly learning: Omit<LearnRuns, 'turn' | 'close'>;
  readonly clock: Clock;
  readonly log: Log;
}

const watchersMaxDefault = 64;

export const roundsQuerySchema = z.strictObject({
  after: z.coerce.number().int().min(0).default(0).describe('those that made a later model'),
  limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
});
const roundNumberSchema = z.coerce.number().int().min(1).max(1_000_000);

/** Under `/v1`. */
export function learnRoutes(
  { learning, clock, log }: LearnRoutesPorts,
  watchersMax = watchersMaxDefault,
) {
  const app = new Hono<OperatorEnvironment>();
  const tooLarge = failure('too_large', `the body exceeds ${planBytesMax} bytes`);
  const bounded = bodyLimit({
    maxSize: planBytesMax,
    onError: (c) => respondFailure(c, tooLarge),
  });
  const summary = (state: RunState) => runSummaryOf(state, learning.why(state.plan.id));
  const view = (state: RunState): RunView => ({ ...summary(state), ...runDetailsOf(state) });
  const find = (c: Context): RunState | undefined => learning.get(c.req.param('id') ?? '');
  const noRun = (c: Context) =>
    respondFailure(c, failure('not_found', `no run '${c.req.param('id')}'`));
  const show = (c: Context): Response => {
    const state = find(c);
    return state === undefined ? noRun(c) : c.json(view(state));
  };

  app.get('/learn', (c) => {
    const query = listQuerySchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalid(query.error));
    const latest = learning.list().slice(-query.data.limit).reverse();
    return c.json({ runs: latest.map(summary) });
  });
  app.post('/learn', bounded, async (c) => {
    const query = createQuerySchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalid(query.error));
    const plan = await readJson(c, runPlanSchema);
    if (!plan.ok) return respondFailure(c, plan.error);
    // Who trains a model does not let it loose. [RND17]
    const { role, name } = c.env?.operator ?? { role: 'admin', name: '' };
    if (plan.value.candidate?.rollOut !== undefined && role !== 'admin')
      return respondFailure(
        c,
        failure('permission_denied', `${name} is a ${role}: a run that rolls out is an admin's`),
      );
    const started: Result<RunState> = await learning.start(plan.value, byOf(c, query.data.by));
    return started.ok ? c.json(view(started.value), 201) : respondFailure(c, started.error);
  });
  app.get('/learn/:id', show);
  app.post('/learn/:id/stop', bounded, async (c) => {
    const body = await readJson(c, orderSchema);
    if (!body.ok) return respondFailure(c, body.error);
    const { by, reason } = body.value;
    const stopped = await learning.stop(c.req.param('id'), { by: byOf(c, by), reason });
    return stopped.ok ? show(c) : respondFailure(c, stopped.error);
  });
  app.get('/learn/:id/rounds', (c) => {
    const query = roundsQuerySchema.safeParse(c.req.query());
    if (!query.success) return respondFailure(c, invalid(query.error));
    const state = find(c);
    if (state === undefined) return noRun(c);
    const { after, limit } = query.data;
    const rounds = state.history.filter(({ round }) => round > after).slice(0, limit);
    return c.json({ rounds: rounds.map(roundOf) });
  });
  app.get('/learn/:id/rounds/:round/updates', async (c) => {
    const { id } = c.req.param();
    const round = roundNumberSchema.safeParse(c.req.param('round'));
    if (!round.success) return respondFailure(c, invalid(round.error));
    const events = await learning.history(id);
    if (!events.ok) return respondFailure(c, events.error);
    const made = events.value.flatMap((event) =>
      event.kind === 'aggregated' && event.round + 1 === round.data ? event.contributions : [],
    );
    return c.json(contributionsOf(id, round.data, made));
  });

  let watchers = 0;
  app.get('/learn/:id/events', (c) => {
    if (find(c) === undefined) return noRun(c);
    // A HEAD runs this handler too, and nobody reads, or ends, the stream that it would open.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    if (watchers >= watchersMax)
      return respondFailure(c, failure('overloaded', `${watchers} viewers are here already`));
    watchers += 1;
    const onEnd = (): void => {
      watchers -= 1;
    };
    const watched = { event: 'run', state: () => find(c), show: view };
    return watchState(c, watched, { clock, log, onEnd });
  });
  return app;
}

const invalid = (error: z.ZodError): Failure =>
  failure('invalid_argument', `query: ${describeIssues(error)}`);
