// An embedder of this coordinator's own, for devices that are too small for one: its instances are given texts by the
// batcher that tensors go through. Which of them share a run, and that it changes no vector, is the embedder's to say. [EMB1]

import { type Embedder, type ServedEmbedder, servedEmbedderModel } from '@skerry/models/embedding';
import type { EmbeddingsReply, EmbeddingsRequest } from '@skerry/models/openai';
import { type Clock, defined, err, failure, ok, type Result } from '@skerry/shared';
import { createBatcher } from '../infer/batcher.ts';
import { middlePriority, type ServingLimits } from '../infer/serving-entry.ts';
import type { Terms, Upstream } from '../infer/upstreams/upstream.ts';
import type { PoolMember } from '../infer/upstreams/upstream-pool.ts';

export interface HostedEmbedder {
  readonly name: string;
  /** Before all others that answer to its name: its vectors are known by their digest. */
  readonly member: PoolMember;
  /** Texts that wait. */
  waiting(): number;
  close(): Promise<void>;
}

export interface HostedEmbedderPorts {
  readonly clock: Clock;
  onBatch(model: string, texts: number, computeMs: number): void;
}

/** Of a batch whose texts are computed one by one: whoever comes next waits for all of them. */
const loneTextsMax = 8;
const ownTier = -1;

/** @param instances of one embedder, each of which computes one run at a time */
export function createHostedEmbedder(
  instances: readonly Embedder[],
  limits: ServingLimits,
  { clock, onBatch }: HostedEmbedderPorts,
): HostedEmbedder {
  const { name, digest, dimensions, tokensMax, answers, countTokens } = defined(
    instances[0],
    'an instance',
  );
  const served: ServedEmbedder = { name, digest, dimensions, tokensMax, answers };
  const free = [...instances];
  // One instance may be on a GPU and another not (docs/decisions/0082): that one is asked first, with as much as it takes.
  const inRunMax = Math.max(...instances.map((instance) => instance.textsInRun()));
  const rowsMax = Math.min(limits.rowsMax, Math.max(loneTextsMax, inRunMax));
  const batcher = createBatcher<readonly string[], readonly Float32Array[]>(
    { ...limits, rowsMax, slots: instances.length },
    clock,
    async (parts) => {
      const instance = defined(
        free.sort((a, b) => a.textsInRun() - b.textsInRun()).pop(),
        'an instance that is free',
      );
      // One that throws is as free as one that fails.
      const vectors = await instance.embed(parts.flat()).finally(() => free.push(instance));
      if (!vectors.ok) return vectors;
      let at = 0;
      const next = () => vectors.value.slice(at++ * dimensions, at * dimensions);
      return ok(parts.map((texts) => texts.map(next)));
    },
    { ended() {}, ran: (texts, _, computeMs) => onBatch(name, texts, computeMs) },
  );

  /** As many at a time as run at once: a book that is taken in fills no queue. */
  const embedAll = async (
    texts: readonly string[],
    { leftMs, signal }: Terms,
  ): Promise<Result<readonly Float32Array[]>> => {
    const untilMs = clock.monotonicMs() + leftMs;
    const parts = partsOf(texts, rowsMax);
    const vectors: Float32Array[] = [];
    for (const wave of partsOf(parts, instances.length)) {
      const turn = {
        priority: middlePriority(limits.priorities),
        deadlineLeftMs: untilMs - clock.monotonicMs(),
        ...(signal && { signal }),
      };
      const ran = await Promise.all(
        wave.map((part) => batcher.submit(part, { ...turn, rows: part.length })),
      );
      for (const result of ran) {
        if (!result.ok) return result;
        vectors.push(...result.value);
      }
    }
    return ok(vectors);
  };

  const embed = async (
    request: EmbeddingsRequest,
    terms: Terms,
  ): Promise<Result<EmbeddingsReply>> => {
    const texts = textsOf(request, dimensions);
    if (!texts.ok) return texts;
    const vectors = await embedAll(texts.value, terms);
    if (!vectors.ok) return vectors;
    const tokens = texts.value.reduce((sum, text) => sum + countTokens(text), 0);
    return ok({
      embeddings: {
        object: 'list',
        data: vectors.value.map((vector, index) => ({
          object: 'embedding',
          index,
          embedding: [...vector],
        })),
        model: name,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
        embedder: served,
      },
    });
  };

  const upstream: Upstream = {
    name: 'embedder',
    health: async () => ok(undefined),
    list: async () => ok([name]),
    embed,
  };
  return {
    name,
    member: {
      upstream,
      models: { [name]: name, [servedEmbedderModel]: name },
      tier: ownTier,
      weight: 1,
      concurrentMax: Number.POSITIVE_INFINITY, // Its queue bounds itself.
      always: true,
    },
    waiting: batcher.waiting,
    async close() {
      batcher.close();
      await batcher.idle();
      await Promise.all(instances.map((instance) => instance.close()));
    },
  };
}

const partsOf = <T>(whole: readonly T[], count: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(whole.length / count) }, (_, i) =>
    whole.slice(i * count, (i + 1) * count),
  );

/** Fails with `invalid_argument` for what this embedder cannot embed. */
function textsOf(
  { input, dimensions: wanted }: EmbeddingsRequest,
  dimensions: number,
): Result<readonly string[]> {
  if (wanted !== undefined && wanted !== null && wanted !== dimensions)
    return err(failure('invalid_argument', `its vectors have ${dimensions} dimensions`));
  const texts = typeof input === 'string' ? [input] : input;
  return texts.every((text) => typeof text === 'string')
    ? ok(texts)
    : err(failure('invalid_argument', 'it takes texts, and no tokens'));
}
