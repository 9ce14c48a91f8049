// A question in words that the device could not answer and nobody could be asked about at once, with all that whoever
// answers it can need: what the device had found. What is said comes late, when the app has had its own answer.

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

/** Down: what was said, or why nothing was. */
export const saidSchema = z.strictObject({
  kind: z.literal('said'),
  requestId: requestIdSchema,
  outcome: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('said'),
      text: z.string().min(1).max(saidCharactersMax),
      model: z.string().max(256),
    }),
    z.strictObject({
      kind: z.literal('failed'),
      code: z.string().max(64),
      message: z.string().max(1_000),
    }),
  ]),
});
export type Said = z.infer<typeof saidSchema>;
