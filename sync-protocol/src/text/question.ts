// A question in words that the device could not answer and nobody could be asked about at once, with all that whoever
// answers it can need: what the device had found. What is said comes late, when the app has had its own answer.

import { digestSchema } from '@skerry/shared';
import { z } from 'zod';

/** Of all its messages. */
export const questionCharactersMax = 24_000;
export const saidCharactersMax = 16_000;

const messagesSchema = z
  .array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }))
  .min(1)
  .max(16)
  .refine(
    (messages) =>
      messages.reduce((sum, { content }) => sum + content.length, 0) <= questionCharactersMax,
    'too many characters',
  );

const requestIdSchema = z.string().min(1).max(64);

/** Up. */
export const questionSchema = z.strictObject({
  kind: z.literal('question'),
  requestId: requestIdSchema,
  /** The text model that is asked. */
  model: z.string().min(1).max(256),
  messages: messagesSchema,
});
export type Question = z.infer<typeof questionSchema>;

/** Of a quote: whoever sends one cuts to these. */
export const quoteTitleCharactersMax = 256;
export const quoteHeadingCharactersMax = 512;
export const quoteCharactersMax = 1_000;

/** Where something stands in a document that whoever holds the document can look up: UTF-16 offsets, the end not included. */
const quoteSchema = z.strictObject({
  uri: z.string().min(1).max(512),
  title: z.string().max(quoteTitleCharactersMax),
  heading: z.string().max(quoteHeadingCharactersMax),
  /** Of the document's bytes. */
  digest: digestSchema,
  start: z.int().nonnegative(),
  end: z.int().positive(),
  text: z.string().min(1).max(quoteCharactersMax),
});
export type Quote = z.infer<typeof quoteSchema>;
const quotesMax = 8;

/**
 * What a library says that it has said it from; what is no quote is left out. Undefined where it says nothing of it, also
 * where others than a library mean something else by the same name; empty where it says that it is from nothing.
 */
export function readQuotes(cited: unknown): Quote[] | undefined {
  if (!Array.isArray(cited)) return undefined;
  const quotes = cited
    .slice(0, quotesMax)
    .flatMap((each) => quoteSchema.strip().safeParse(each).data ?? []);
  return quotes.length === 0 && cited.length > 0 ? undefined : quotes;
}

/** Down: what was said, or why nothing was. */
export const saidSchema = z.strictObject({
  kind: z.literal('said'),
  requestId: requestIdSchema,
  outcome: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('said'),
      text: z.string().min(1).max(saidCharactersMax),
      model: z.string().max(256),
      /** What it was said from, where it was a library that said it. */
      quotes: z.array(quoteSchema).max(quotesMax).optional(),
    }),
    z.strictObject({
      kind: z.literal('failed'),
      code: z.string().max(64),
      message: z.string().max(1_000),
    }),
  ]),
});
export type Said = z.infer<typeof saidSchema>;
