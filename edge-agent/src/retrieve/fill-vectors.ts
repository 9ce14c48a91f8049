// Makes the vectors that are missing: of passages that were taken in while the embedder, somebody else's, was away. One
// batch at a time, and who cannot be reached is asked ever more rarely. [LIB40]

import {
  backoffMs,
  type Clock,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Random,
  type Result,
  type Timer,
} from '@skerry/shared';
import type { FilledVector } from './collection-file.ts';
import type { Collections, CollectionThread } from './collections.ts';
import type { ElsewhereState, EmbedderElsewhere } from './embedder-elsewhere.ts';
import { embeddedText } from './prepare-passages.ts';
import { embedBatch, type TextEmbedder, vectorAt } from './text-embedder.ts';

export interface FillingState extends ElsewhereState {
  /** Whose vectors it gives, where that is known. */
  readonly digest?: string;
  /** When it is asked again, in ms; absent while it works, and while nothing is missing. */
  readonly retryInMs?: number;
}

export interface VectorFilling {
  /** Something was taken in without its vectors. */
  wake(): void;
  state(): FillingState;
  close(): Promise<void>;
}

export interface VectorFillingPorts {
  readonly elsewhere: EmbedderElsewhere;
  readonly collections: Collections;
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const backoff = { initialMs: 2_000, maxMs: 60_000 };
/** Of tries that fail, the least. */
const pauseMs = 1_000;

export function startVectorFilling(ports: VectorFillingPorts): VectorFilling {
  const { elsewhere, clock, random, log } = ports;
  let closed = false;
  let attempt = 0;
  let timer: Timer | undefined;
  let retryAtMs: number | undefined;
  let turn: Promise<void> | undefined;
  let again = false;

  const run = async (): Promise<void> => {
    timer?.cancel();
    retryAtMs = undefined;
    const filled = await fillAll(ports, () => closed).catch((thrown) =>
      err(failure('internal', messageOf(thrown))),
    );
    if (closed) return;
    if (filled.ok) {
      attempt = 0;
      if (filled.value > 0)
        log.info({ passages: filled.value }, 'vectors that were missing are made');
      return;
    }
    const waitMs = pauseMs + backoffMs(backoff, attempt, random);
    attempt += 1;
    retryAtMs = clock.monotonicMs() + waitMs;
    log.debug({ code: filled.error.code }, `vectors are made later: ${filled.error.message}`);
    timer = clock.after(waitMs, begin);
  };

  const begin = (): void => {
    if (closed) return;
    if (turn !== undefined) {
      again = true;
      return;
    }
    again = false;
    turn = run().finally(() => {
      turn = undefined;
      if (again && retryAtMs === undefined) begin();
    });
  };
  begin();

  return {
    wake() {
      // Who waits for somebody who is away goes on waiting.
      if (retryAtMs === undefined) begin();
    },
    state() {
      const digest = elsewhere.current()?.digest;
      return {
        ...elsewhere.state(),
        ...(digest === undefined ? {} : { digest }),
        ...(retryAtMs === undefined
          ? {}
          : { retryInMs: Math.max(0, Math.ceil(retryAtMs - clock.monotonicMs())) }),
      };
    },
    async close() {
      closed = true;
      timer?.cancel();
      await turn;
    },
  };
}

/** How many were made. */
async function fillAll(
  { elsewhere, collections, digestOf }: VectorFillingPorts,
  isClosed: () => boolean,
): Promise<Result<number>> {
  const embedder = await elsewhere.find();
  if (!embedder.ok) return embedder;
  const names = await collections.list();
  if (!names.ok) return names;
  let filled = 0;
  for (const name of names.value) {
    const thread = await collections.open(name);
    if (!thread.ok) continue; // Another embedder's, or removed meanwhile.
    for (let after: number | undefined = 0; after !== undefined && !isClosed(); ) {
      const batch = await fillBatch(thread.value, embedder.value, digestOf, after);
      if (!batch.ok) return batch;
      filled += batch.value.filled;
      after = batch.value.after;
    }
  }
  return ok(filled);
}

/** `after`: the last passage that was looked at; undefined where there are no more. */
async function fillBatch(
  thread: CollectionThread,
  embedder: TextEmbedder,
  digestOf: (bytes: Uint8Array) => string,
  after: number,
): Promise<Result<{ readonly filled: number; readonly after: number | undefined }>> {
  const missing = await thread.missingVectors(after, embedBatch);
  if (!missing.ok) return missing;
  const last = missing.value.at(-1);
  if (last === undefined) return ok({ filled: 0, after: undefined });
  const encoder = new TextEncoder();
  const wanted = missing.value.map(({ id, title, heading, text }) => {
    const embedded = embeddedText(title, heading, text);
    return { id, text: embedded, textDigest: digestOf(encoder.encode(embedded)) };
  });
  const there = await thread.vectorsBy(wanted.map(({ textDigest }) => textDigest));
  if (!there.ok) return there;
  const unknown = wanted.filter(({ textDigest }) => !there.value.has(textDigest));
  const made = await embedAll(
    embedder,
    unknown.map(({ text }) => text),
  );
  if (!made.ok) return made;
  const vectors = wanted.flatMap(({ id, textDigest }): FilledVector[] => {
    const place = unknown.findIndex((each) => each.textDigest === textDigest);
    const vector = there.value.get(textDigest) ?? vectorAt(made.value, place, embedder.dimensions);
    return [{ passage: id, textDigest, vector }];
  });
  const put = await thread.putVectors(vectors);
  return put.ok ? ok({ filled: put.value, after: last.id }) : put;
}

const embedAll = async (embedder: TextEmbedder, texts: readonly string[]) =>
  texts.length === 0 ? ok(new Float32Array(0)) : embedder.embed(texts);
