// The coordinator's embedder as one of this device. Whose vectors it gives is told with each reply: those of another
// digest than the first are not taken, for they could not be compared with what is there. [LIB11]

import {
  type ServedEmbedder,
  servedEmbedderModel,
  servedEmbedderSchema,
} from '@skerry/models/embedding';
import { floatsOf, type TextServer } from '@skerry/models/openai';
import { type Clock, err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { createBreaker } from '@skerry/shared/resilience';
import { z } from 'zod';
import type { TextEmbedder } from './text-embedder.ts';

export interface EmbedderElsewhere {
  /** Undefined until it has said who it is, now or before a restart. */
  current(): TextEmbedder | undefined;
  /** Asks who it is, where that is not known yet. */
  find(): Promise<Result<TextEmbedder>>;
  state(): ElsewhereState;
}

export interface ElsewhereState {
  /** `unknown`: it was not asked yet. `refused`: it is not the one whose vectors are here. */
  readonly state: 'unknown' | 'ready' | 'away' | 'refused';
  readonly reason?: string;
}

export interface ElsewherePorts {
  readonly server: Required<Pick<TextServer, 'embed'>>;
  /** Who it was before a restart. */
  readonly remembered: ServedEmbedder | undefined;
  /** Of the vectors that are here; undefined: any may be the first. */
  readonly wanted?: string | undefined;
  /** It has said who it is for the first time: before anybody has a vector of it. */
  onKnown(served: ServedEmbedder): Promise<Result<void>>;
  readonly clock: Clock;
}

/** Of a batch that is taken in: the coordinator may have others to serve first. */
const embedMsMax = 60_000;
/** Without its tokenizer a token is taken to have no more: what is cut too short loses nothing, what is too long its end. */
const charactersPerToken = 3;
/** Who was not reached once makes nobody else wait for him now. */
const breakerLimits = {
  windowMs: 10_000,
  buckets: 10,
  requestsMin: 1,
  failedShareMax: 0.001,
  sleepMs: 5_000,
};

const replySchema = z.object({
  embedder: servedEmbedderSchema,
  data: z.array(z.object({ embedding: z.union([z.array(z.number()), z.base64()]) })),
});

export function createEmbedderElsewhere(ports: ElsewherePorts): EmbedderElsewhere {
  const { server, wanted, clock } = ports;
  const breaker = createBreaker(clock, breakerLimits);
  let state: ElsewhereState = { state: 'unknown' };
  let known: TextEmbedder | undefined;

  const ask = async (texts: readonly string[], leftMs: number) => {
    if (!breaker.admits())
      return err(failure('unavailable', state.reason ?? 'the coordinator was not reached'));
    const reply = await server.embed(
      { model: servedEmbedderModel, input: [...texts], encoding_format: 'base64' },
      { leftMs },
    );
    const read = reply.ok
      ? readReply(reply.value.embeddings, texts.length, known?.digest ?? wanted)
      : reply;
    if (read.ok) state = { state: 'ready' };
    else state = { state: stateAfter(read.error), reason: read.error.message };
    breaker[read.ok ? 'succeeded' : 'failed']();
    return read;
  };

  const embedderOf = (served: ServedEmbedder): TextEmbedder => ({
    digest: served.digest,
    dimensions: served.dimensions,
    tokensMax: served.tokensMax,
    answers: served.answers,
    isElsewhere: true,
    countTokens: (text) => Math.ceil(text.length / charactersPerToken),
    async embed(texts, leftMs = embedMsMax) {
      const asked = await ask(texts, leftMs);
      return asked.ok ? ok(asked.value.vectors) : asked;
    },
  });

  if (
    ports.remembered !== undefined &&
    (wanted ?? ports.remembered.digest) === ports.remembered.digest
  )
    known = embedderOf(ports.remembered);

  return {
    current: () => known,
    state: () => state,
    async find() {
      if (known !== undefined) return ok(known);
      const asked = await ask(['Who are you?'], embedMsMax);
      if (!asked.ok) return asked;
      const told = await ports.onKnown(asked.value.served);
      if (!told.ok) return told;
      known ??= embedderOf(asked.value.served);
      return ok(known);
    },
  };
}

const stateAfter = ({ code, retryable }: Failure): 'away' | 'refused' =>
  code === 'digest_mismatch' || !retryable ? 'refused' : 'away';

function readReply(
  body: object,
  count: number,
  digest: string | undefined,
): Result<{ readonly served: ServedEmbedder; readonly vectors: Float32Array<ArrayBuffer> }> {
  const read = replySchema.safeParse(body);
  if (!read.success)
    return err(failure('digest_mismatch', 'the coordinator does not say whose vectors it gives'));
  const { embedder: served, data } = read.data;
  if (digest !== undefined && digest !== served.digest)
    return err(
      failure('digest_mismatch', `the coordinator’s embedder is ${served.digest}, not ${digest}`),
    );
  const vectors = new Float32Array(count * served.dimensions);
  const rows = data.map(({ embedding }) => floatsOf(embedding));
  const isWhole = (row: readonly number[]) =>
    row.length === served.dimensions && row.every(Number.isFinite);
  if (rows.length !== count || !rows.every(isWhole))
    return err(failure('runtime_failed', `expected ${count} vectors of ${served.dimensions}`));
  for (const [i, row] of rows.entries()) vectors.set(row, i * served.dimensions);
  return ok({ served, vectors });
}
