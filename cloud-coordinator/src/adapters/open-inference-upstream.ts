// Upstream over any Open Inference Protocol v2 server: Triton, KServe, MLServer, another coordinator. Tensors travel as
// binary data where the server says that it takes them. Never asks for a version: KServe answers 501 for any.

import { encodeInferRequest, parseInferResponse } from '@skerry/models/open-inference';
import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { Terms, Upstream } from '../infer/upstreams/upstream.ts';
import { exchangeHttp } from './http-exchange.ts';

const headerLengthName = 'Inference-Header-Content-Length';

const metadataSchema = z.looseObject({ extensions: z.array(z.string()).catch([]) });

export function createOpenInferenceUpstream(name: string, baseUrl: string): Upstream {
  const url = (path: string): string => `${baseUrl.replace(/\/$/, '')}/v2${path}`;
  let binary: boolean | undefined;

  /** Once: what a server can does not change while it runs. */
  const takesBinary = async (terms: Terms): Promise<Result<boolean>> => {
    if (binary !== undefined) return ok(binary);
    const metadata = await exchangeHttp(name, url(''), {}, terms);
    if (!metadata.ok) return metadata;
    const read = readJson(metadata.value.body);
    const extensions = metadataSchema.safeParse(read).data?.extensions ?? [];
    binary = extensions.includes('binary_tensor_data');
    return ok(binary);
  };

  return {
    name,
    // Judged by its status alone: the words in the body differ.
    async health(terms) {
      const ready = await exchangeHttp(name, url('/health/ready'), {}, terms);
      return ready.ok ? ok(undefined) : ready;
    },
    async infer({ model, ...call }, terms) {
      const takes = await takesBinary(terms);
      if (!takes.ok) return takes;
      const encoded = encodeInferRequest(call, takes.value);
      if (!encoded.ok) return encoded;
      const { body, contentType, headerLength } = encoded.value;
      const headers: Record<string, string> = { 'content-type': contentType };
      if (headerLength !== undefined) headers[headerLengthName] = String(headerLength);
      const path = `/models/${encodeURIComponent(model)}/infer`;
      const reply = await exchangeHttp(name, url(path), { method: 'POST', headers, body }, terms);
      if (!reply.ok) return reply;
      const length = reply.value.headers.get(headerLengthName) ?? undefined;
      const outputs = parseInferResponse(reply.value.body, length);
      return outputs.ok
        ? outputs
        : err(failure(outputs.error.code, `${name}: ${outputs.error.message}`));
    },
  };
}

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
