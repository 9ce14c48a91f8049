// Answers that somebody with more time has computed for a collection's commonest questions. They come with what they cite,
// which is looked up in the stored documents before one is kept, and again before it is given.

import { digestSchema, err, failure, ok, type Result } from '@skerry/shared';
import { quoteCharactersMax, saidCharactersMax } from '@skerry/sync-protocol';
import { z } from 'zod';
import { checkQuotesIn } from '../check-sentences.ts';
import type { Collections } from '../collections.ts';
import type { AnswerStore } from './answer-store.ts';
import { askedDigest, createDigest, formDigest, keyIn, pushedScope } from './describe-question.ts';
import type { Changes } from './purging-collections.ts';

const citedMax = 16;
export const precomputedMax = 1_000;

export const precomputedAnswerSchema = z.strictObject({
  question: z.string().min(1).max(2_048),
  text: z.string().min(1).max(saidCharactersMax),
  /** Whoever has answered: a model's name. */
  source: z.string().min(1).max(128),
  citations: z
    .array(
      z.strictObject({
        uri: z.string().min(1).max(512),
        /** sha256 of the document's bytes. */
        digest: digestSchema,
        /** In the document's text. */
        start: z.int().nonnegative(),
        end: z.int().positive(),
        /** What stands there. */
        text: z.string().min(1).max(quoteCharactersMax),
      }),
    )
    .min(1)
    .max(citedMax),
});

export type PrecomputedAnswer = z.infer<typeof precomputedAnswerSchema>;

export interface PrecomputedOutcome {
  readonly kept: number;
  /** By their places among those that came. */
  readonly refused: readonly { readonly index: number; readonly reason: string }[];
}

export interface Precomputed {
  /**
   * In the place of those that the collection had. Each that cites what does not stand in the collection, letter by letter,
   * is refused. Fails with `too_large` for too many, as the collection and the store do, and with `unavailable` where the
   * collection changed meanwhile.
   */
  replace(
    collection: string,
    answers: readonly PrecomputedAnswer[],
  ): Promise<Result<PrecomputedOutcome>>;
}

export interface PrecomputedPorts {
  readonly collections: Collections;
  readonly store: AnswerStore;
  readonly changes: Pick<Changes, 'seen'>;
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly nowMs: () => number;
}

export function createPrecomputed(ports: PrecomputedPorts): Precomputed {
  const { collections, store, changes, nowMs } = ports;
  const digest = createDigest(ports.digestOf);
  return {
    async replace(collection, answers) {
      if (answers.length > precomputedMax)
        return err(failure('too_large', `${answers.length} answers; at most ${precomputedMax}`));
      const seen = changes.seen([collection]);
      const thread = await collections.open(collection);
      if (!thread.ok) return thread;
      const scope = pushedScope(digest, collection);
      const removed = store.remove({ pushed: scope });
      if (!removed.ok) return removed;
      const refused: { index: number; reason: string }[] = [];
      for (const [index, { question, text, source, citations }] of answers.entries()) {
        const quotes = citations.map((each) => ({ ...each, title: '', heading: '' }));
        // Who may read what it cites is asked when it is given.
        const said = await checkQuotesIn([thread.value], text, quotes, 'all');
        if (!said.ok) return said;
        const unknown = said.value.citations.find(({ verified }) => !verified);
        if (unknown !== undefined) {
          const { uri, start, end } = unknown;
          refused.push({ index, reason: `${uri} does not say that at ${start}–${end}` });
          continue;
        }
        if (changes.seen([collection]) !== seen)
          return err(failure('unavailable', `${collection} changed meanwhile`));
        const kept = store.put({
          key: keyIn(digest, scope, question),
          kind: 'pushed',
          scope,
          form: formDigest(digest, question),
          asked: askedDigest(digest, question),
          question,
          answer: { said: said.value, source, summary: { snapshots: [], passages: [] } },
          searched: [],
          rests: said.value.citations.map(({ uri }) => ({ collection, uri })),
          madeMs: nowMs(),
          expiresMs: Number.MAX_SAFE_INTEGER,
        });
        if (!kept.ok) return kept;
      }
      return ok({ kept: answers.length - refused.length, refused });
    },
  };
}
