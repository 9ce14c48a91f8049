// Learning, for a person and for an app: what this device learns from and takes part in, the labels that people give, and
// their consent. No answer here has an input in it.

import { checkTensor, type TensorSpec } from '@skerry/models';
import { parseInferRequest } from '@skerry/models/open-inference';
import {
  describeIssues,
  err,
  failure,
  labelCharsMax,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Model } from '../infer/model.ts';
import type { Example, ExampleEntry } from '../learn/example-store.ts';
import type { Learning } from '../learn/learning.ts';
import { refuse } from './refuse.ts';

export interface LearnRoutes {
  /** Absent where this device does not learn. */
  readonly learning?: Learning | undefined;
  readonly models: ReadonlyMap<string, Model>;
}

const toldSchema = {
  label: z.string().min(1).max(labelCharsMax),
  use: z.enum(['train', 'evaluate']).optional(),
  keep_ms: z.int().positive().optional(),
};
const correctionSchema = z.strictObject({ request_id: z.string().min(1).max(128), ...toldSchema });
/** Parameters of others pass; one that looks like ours and is not is a typo. */
const parametersSchema = z.looseObject({
  skerry_label: toldSchema.label,
  skerry_use: toldSchema.use,
  skerry_keep_ms: toldSchema.keep_ms,
});
const consentSchema = z.strictObject({ people: z.boolean(), cloud: z.boolean() });

export function learnRoutes({ learning, models }: LearnRoutes): Hono {
  const app = new Hono();
  if (learning === undefined) return app;
  app.get('/learn', (c) => c.json(learning.describe()));
  app.put('/learn/:model/consent', async (c) => {
    const model = c.req.param('model');
    if (!models.has(model)) return refuse(c, noModel(model));
    const body = await readJson(c, consentSchema);
    if (!body.ok) return refuse(c, body.error);
    const set = learning.setConsent(model, body.value);
    return set.ok ? c.json(body.value) : refuse(c, set.error);
  });

  app.get('/examples', (c) => {
    const counts = learning.examples.counts();
    return c.json({
      models: counts.map(({ labels, ...of }) => ({ ...of, labels: Object.fromEntries(labels) })),
    });
  });
  app.post('/examples', async (c) => {
    const body = await readJson(c, correctionSchema);
    if (!body.ok) return refuse(c, body.error);
    const { request_id: request, ...told } = body.value;
    return respond(c, learning.correct(request, toldOf(told)));
  });
  app.delete('/examples', (c) => removed(c, learning.examples.remove({})));

  app.get('/examples/:model', (c) =>
    c.json({ examples: learning.examples.list(c.req.param('model')).map(describeExample) }),
  );
  app.post('/examples/:model', async (c) => {
    const name = c.req.param('model');
    const model = models.get(name);
    if (model === undefined) return refuse(c, noModel(name));
    const body = new Uint8Array(await c.req.arrayBuffer());
    const read = parseInferRequest(body, c.req.header('inference-header-content-length'));
    if (!read.ok) return refuse(c, read.error);
    const parameters = parametersSchema.safeParse(read.value.parameters);
    if (!parameters.success)
      return refuse(c, failure('invalid_argument', describeIssues(parameters.error)));
    const spec = inputOf(model);
    const input = spec && read.value.inputs[spec.name];
    if (spec === undefined || input === undefined)
      return refuse(c, failure('invalid_tensor', `input '${spec?.name}' is missing`));
    const checked = checkTensor(spec, input);
    if (!checked.ok) return refuse(c, checked.error);
    const { skerry_label: label, skerry_use: use, skerry_keep_ms: keep_ms } = parameters.data;
    const { datatype, shape, data: values } = input;
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
    const kept = { datatype, shape: shape.slice(1), data };
    return respond(c, learning.add(name, kept, toldOf({ label, use, keep_ms })));
  });
  app.delete('/examples/:model', (c) =>
    removed(c, learning.examples.remove({ model: c.req.param('model') })),
  );
  app.delete('/examples/:model/:id', (c) => {
    const { model, id } = c.req.param();
    return removed(c, learning.examples.remove({ model, id }));
  });
  return app;
}

/** One example at a time: each has a label of its own. */
function inputOf({ manifest }: Model): TensorSpec | undefined {
  const [spec] = manifest.inputs;
  return spec && { ...spec, shape: spec.shape.map((size) => (size === -1 ? 1 : size)) };
}

const noModel = (name: string) =>
  failure('model_not_found', `no model '${name.slice(0, 64)}' on this device`);

function toldOf({
  label,
  use,
  keep_ms: keepMs,
}: {
  label: string;
  use?: ExampleEntry['use'] | undefined;
  keep_ms?: number | undefined;
}) {
  return {
    label,
    ...(use === undefined ? {} : { use }),
    ...(keepMs === undefined ? {} : { keepMs }),
  };
}

const describeExample = ({
  id,
  model,
  label,
  source,
  use,
  keptMs,
  expiresMs,
  request,
}: ExampleEntry) => ({
  id,
  model,
  label,
  source,
  use,
  kept_ms: keptMs,
  expires_ms: expiresMs,
  ...(request === undefined ? {} : { request_id: request }),
});

const respond = (c: Context, kept: Result<Example>): Response =>
  kept.ok ? c.json(describeExample(kept.value), 201) : refuse(c, kept.error);

const removed = (c: Context, result: Result<number>): Response =>
  result.ok ? c.json({ removed: result.value }) : refuse(c, result.error);

async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<Result<T>> {
  const json = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the body');
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success
    ? ok(parsed.data)
    : err(failure('invalid_argument', describeIssues(parsed.error)));
}
