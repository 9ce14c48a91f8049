// What an agent's library answers: at once, as a completion, and later, as a record of the answers stream. Both become the
// same for whoever shows them.

import { z } from 'zod';

const citationSchema = z.object({
  uri: z.string(),
  title: z.string(),
  heading: z.string(),
  collection: z.string().optional(),
  page: z.int().optional(),
  start: z.int(),
  end: z.int(),
  text: z.string(),
  verified: z.boolean(),
  /** By which the text names it. */
  number: z.int().optional(),
});
export type AnswerCitation = z.output<typeof citationSchema>;

const saidFields = {
  citations: z.array(citationSchema).default([]),
  unverified: z.array(z.string()).default([]),
};

export const completionSchema = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string(), ...saidFields }) })]),
  library: z.object({
    pending: z.string().optional(),
    confidence: z.number(),
    threshold: z.number(),
    mode: z.string(),
    asked: z.string().optional(),
  }),
  skerry: z.object({ source: z.string(), reason: z.string(), degraded: z.boolean() }).optional(),
});

export const lateAnswerSchema = z.object({
  request_id: z.string(),
  delivery: z.enum(['open', 'in-time', 'late']),
  question: z.string().optional(),
  failed: z.object({ code: z.string(), message: z.string() }).optional(),
  answer: z.object({ text: z.string(), model: z.string().optional(), ...saidFields }).optional(),
});
export type LateAnswer = z.output<typeof lateAnswerSchema>;

export interface SaidAnswer {
  readonly text: string;
  readonly citations: readonly AnswerCitation[];
  /** Sentences that nothing in the library bears out. */
  readonly unverified: readonly string[];
}

export interface AskedAnswer extends SaidAnswer {
  readonly confidence: number;
  readonly threshold: number;
  readonly mode: string;
  readonly source: string;
  readonly reason: string;
  readonly degraded: boolean;
  /** By this id a better one may come. */
  readonly pending?: string;
  /** What was searched, where the question goes on from another. */
  readonly asked?: string;
}

export function askedAnswerOf({
  choices: [{ message }],
  library: { pending, asked, ...library },
  skerry = { source: 'library', reason: '', degraded: false },
}: z.output<typeof completionSchema>): AskedAnswer {
  const { content: text, citations, unverified } = message;
  return {
    ...{ text, citations, unverified, ...library, ...skerry },
    ...(pending === undefined ? {} : { pending }),
    ...(asked === undefined ? {} : { asked }),
  };
}
