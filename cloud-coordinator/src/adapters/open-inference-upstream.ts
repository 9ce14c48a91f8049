// Upstream over any Open Inference Protocol v2 server: Triton, KServe, MLServer, another coordinator. Tensors travel as
// binary data, and what is left of a deadline with them, where the server says that it takes them. Never asks for a
// version: KServe answers 501 for any.

import { datatypes } from '@skerry/models';
import { encodeInferRequest, parseInferResponse } from '@skerry/models/open-inference';
import { describeIssues, err, failure, ok, type Result, tensorRankMax } from '@skerry/shared';
import { exchangeHttp, type HttpAsk } from '@skerry/shared/node';
import { z } from 'zod';
import type { DescribedModel, Terms, Upstream } from '../infer/upstreams/upstream.ts';

/** Of one server, that we serve in turn. */
const modelsMax = 256;
const usPerMs = 1_000;
const headerLengthName = 'Inference-Header-Content-Length';

const metadataSchema = z.looseObject({ extensions: z.array(z.string()).catch([]) });

const tensorsSchema = z
  .array(
    z.looseObject({
      name: z.string().min(1),
      datatype: z.enum(datatypes),
      shape: z.array(z.int().min(-1)).max(tensorRankMax),
    }),
  )
  .transform((specs) => specs.map(({ name, datatype, shape }) => ({ name, datatype, shape })));

const modelSchema = z.looseObject({
  versions: z.array(z.string()).nullish(),
  platform: z.string().catch(''),
  inputs: tensorsSchema,
  outputs: tensorsSchema,
});

/** Triton's index; KServe's list. */
const namesSchema = z.union([
  z
    .array(z.looseObject({ name: z.string().min(1) }))
    .transform((models) => models.map(({ name }) => name)),
  z.looseObject({ models: z.array(z.string().min(1)) }).transform(({ models }) => models),
]);

/** @param apiKey what the server asks for, as a bearer token */
export function createOpenInferenceUpstream(
  name: string,
  baseUrl: string,
  apiKey?: string,
): Upstream {
  const url = (path: string): string => `${baseUrl.replace(/\/$/, '')}/v2${path}`;
  const authorization: Record<string, string> =
    apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const exchange = (path: string, ask: HttpAsk, terms: Terms) =>
    exchangeHttp(name, url(path), { ...ask, headers: { ...authorization, ...ask.headers } }, terms);
  let extensions: readonly string[] | undefined;

  /** Once: what a server can does not change while it runs. */
  const extensionsOf = async (terms: Terms): Promise<Result<readonly string[]>> => {
    if (extensions !== undefined) return ok(extensions);
    const metadata = await exchange('', {}, terms);
    if (!metadata.ok) return metadata;
    const read = readJson(metadata.value.body);
    extensions = metadataSchema.safeParse(read).data?.extensions ?? [];
    return ok(extensions);
  };

  return {
    name,
    // Judged by its status alone: the words in the body differ.
    async health(terms) {
      const ready = await exchange('/health/ready', {}, terms);
      return ready.ok ? ok(undefined) : ready;
    },
    async infer({ model, ...call }, terms) {
      const can = await extensionsOf(terms);
      if (!can.ok) return can;
      // Triton's `timeout`, in µs: a request whose time is up in its queue reaches no model there either.
      const parameters = { timeout: Math.ceil(terms.leftMs * usPerMs) };
      const encoded = encodeInferRequest(
        can.value.includes('schedule_policy') ? { ...call, parameters } : call,
        can.value.includes('binary_tensor_data'),
      );
      if (!encoded.ok) return encoded;
      const { body, contentType, headerLength } = encoded.value;
      const headers: Record<string, string> = { 'content-type': contentType };
      if (headerLength !== undefined) headers[headerLengthName] = String(headerLength);
      const reply = await exchange(
        `${modelPath(model)}/infer`,
        { method: 'POST', headers, body },
        terms,
      );
      if (!reply.ok) return reply;
      const length = reply.value.headers.get(headerLengthName) ?? undefined;
      const outputs = parseInferResponse(reply.value.body, length);
      return outputs.ok
        ? outputs
        : err(failure(outputs.error.code, `${name}: ${outputs.error.message}`));
    },
    async list(terms) {
      const index = await exchange('/repository/index', { method: 'POST' }, terms);
      const listed = index.ok ? index : await exchange('/models', {}, terms);
      if (!listed.ok) return listed;
      const read = namesSchema.safeParse(readJson(listed.value.body));
      if (!read.success) return err(failure('runtime_failed', `${name}: no list of models`));
      return ok([...new Set(read.data)].slice(0, modelsMax));
    },
    async describe(model, terms): Promise<Result<DescribedModel>> {
      const metadata = await exchange(modelPath(model), {}, terms);
      if (!metadata.ok) return metadata;
      const read = modelSchema.safeParse(readJson(metadata.value.body));
      if (!read.success) {
        const why = describeIssues(read.error, 'its metadata');
        return err(failure('runtime_failed', `${name}: model ${model}: ${why}`));
      }
      const ready = await exchange(`${modelPath(model)}/ready`, {}, terms);
      const { versions, platform, inputs, outputs } = read.data;
      return ok({ version: versions?.at(-1) ?? '1', platform, inputs, outputs, ready: ready.ok });
    },
  };
}

const modelPath = (model: string): string => `/models/${encodeURIComponent(model)}`;

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
