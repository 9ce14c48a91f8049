// The coordinator's upstreams as one TextServer: chosen, retried and replaced as the pool does it, until the answer, or
// a stream's first chunk, is there. From then on nobody else can be asked, and the upstream is busy until the stream ends.

import { type ChatReply, type TextServer, watchStream } from '@skerry/models/openai';
import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import type { UpstreamPool } from '../infer/upstreams/upstream-pool.ts';

/** Of a list of models: an upstream that is slow to tell is left out. */
const listTimeoutMs = 2_000;

export function createPooledText(
  pool: Pick<UpstreamPool, 'ask' | 'models'>,
): TextServer & Required<Pick<TextServer, 'embed'>> {
  return {
    name: 'upstreams',
    async list({ leftMs, signal }) {
      const terms = { leftMs: Math.min(leftMs, listTimeoutMs), ...(signal && { signal }) };
      return ok((await pool.models(['chat', 'embed'], terms)).toSorted());
    },
    async chat(request, terms) {
      const reply = await pool.ask<ChatReply>(
        request.model,
        'chat',
        terms,
        async (upstream, model, { leftMs, signal }, hold) => {
          // The pool lets go of its signal with the first chunk; the caller's lasts.
          const signals = [signal, terms.signal].flatMap((each) => each ?? []);
          const lasting = { leftMs, signal: AbortSignal.any(signals) };
          const asked = await upstream.chat?.({ ...request, model }, lasting);
          if (asked === undefined) return cannot(upstream.name);
          if (!asked.ok || 'completion' in asked.value) return asked;
          return ok({ chunks: watchStream(asked.value.chunks, lasting.signal, hold()) });
        },
      );
      return reply.ok ? reply : err(ours(reply.error));
    },
    async embed(request, terms) {
      const reply = await pool.ask(request.model, 'embed', terms, async (upstream, model, left) => {
        const asked = await upstream.embed?.({ ...request, model }, left);
        return asked ?? cannot(upstream.name);
      });
      return reply.ok ? reply : err(ours(reply.error));
    },
  };
}

const cannot = (name: string): Result<never> => err(failure('internal', `${name} takes no texts`));

/** That an upstream does not take our key is nothing that whoever asks us could mend. */
function ours(failed: Failure): Failure {
  const { code, message } = failed;
  const isOurs = code === 'unauthenticated' || code === 'permission_denied';
  return isOurs ? failure('unavailable', message) : failed;
}
