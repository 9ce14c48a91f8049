// Questions whose first stages ran elsewhere, in a browser: what the last of them gave comes as an Open Inference
// Protocol request, and is decided on and passed on as if it had run here.

import { parseInferRequest } from '@skerry/models/open-inference';
import { describeIssues, failure, type Result } from '@skerry/shared';
import { type Context, Hono } from 'hono';
import type { Inference } from '../infer/inference.ts';
import type { Model } from '../infer/model.ts';
import type { InferenceAnswer } from '../infer/request.ts';
import { parametersSchema } from '../infer/served-classifier.ts';
import { refuse } from './refuse.ts';

export interface EscalationRoutes {
  readonly models: ReadonlyMap<string, Model>;
  readonly inference: Pick<Inference, 'inferFrom'>;
}

export function escalationRoutes({ models, inference }: EscalationRoutes): Hono {
  const app = new Hono();
  app.post('/:model/:stage', async (c) => {
    const name = c.req.param('model');
    const model = models.get(name);
    const stages = model?.manifest.stages.filter(({ side }) => side === 'edge') ?? [];
    const place = stages.findIndex((stage) => stage.name === c.req.param('stage'));
    if (place === -1) return refuse(c, failure('model_not_found', 'no such stage on this device'));
    // It may have been updated since the page was loaded, and what one build computed is not the other's.
    const ran = c.req.header('skerry-bundle');
    if (ran !== undefined && ran !== model?.bundle)
      return refuse(c, failure('invalid_argument', 'the model has been updated: load it again'));
    const body = new Uint8Array(await c.req.arrayBuffer());
    const read = parseInferRequest(body, c.req.header('inference-header-content-length'));
    if (!read.ok) return refuse(c, read.error);
    const { id: clientId, inputs } = read.value;
    const parameters = parametersSchema.safeParse(read.value.parameters);
    if (!parameters.success)
      return refuse(c, failure('invalid_argument', describeIssues(parameters.error)));
    const { skerry_deadline_ms: deadlineMs, skerry_policy: policy } = parameters.data;
    const question = {
      model: name,
      signal: () => c.req.raw.signal,
      ...(clientId === undefined ? {} : { clientId }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(policy === undefined ? {} : { policy }),
    };
    return respond(c, await inference.inferFrom(question, place, inputs));
  });
  return app;
}

function respond(c: Context, answer: Result<InferenceAnswer>): Response {
  if (!answer.ok) return refuse(c, answer.error);
  const { model: _, computeMs: __, probabilities, ...rest } = answer.value;
  return c.json({ ...rest, probabilities: [...probabilities] });
}
