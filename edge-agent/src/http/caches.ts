// What the library remembers, for whoever runs the device: how much of it there is, how often it serves, and whether
// look-alikes are to be trusted. No answer here has an answer in it.

import { describeIssues, failure, nameSchema, parseJson } from '@skerry/shared';
import { Hono } from 'hono';
import { z } from 'zod';
import type { LibraryCaches } from '../retrieve/cache/caches.ts';
import { precomputedAnswerSchema, precomputedMax } from '../retrieve/cache/precomputed.ts';
import { boundBody } from './bound-body.ts';
import { refuse } from './refuse.ts';

const manySchema = z.coerce.number().int().min(1).max(1_000).default(20);
const pushedSchema = z.strictObject({
  answers: z.array(precomputedAnswerSchema).max(precomputedMax),
});
const pushedBytesMax = 16 * 1024 * 1024;

export function cacheRoutes({ answers, vectors, precomputed }: LibraryCaches): Hono {
  const app = new Hono();

  app.get('/caches', (c) => {
    const figures = answers.figures();
    if (!figures.ok) return refuse(c, figures.error);
    return c.json({ answers: figures.value, vectors: vectors?.figures() });
  });

  app.delete('/caches', (c) => {
    const cleared = answers.clear();
    return cleared.ok ? c.body(null, 204) : refuse(c, cleared.error);
  });

  app.get('/caches/questions', (c) => {
    const many = manySchema.safeParse(c.req.query('count'));
    if (!many.success)
      return refuse(c, failure('invalid_argument', describeIssues(many.error, 'count')));
    const questions = answers.commonest(many.data);
    return questions.ok ? c.json({ questions: questions.value }) : refuse(c, questions.error);
  });

  app.put('/collections/:name/precomputed', boundBody(pushedBytesMax), async (c) => {
    const name = nameSchema.safeParse(c.req.param('name'));
    const json = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the request');
    if (!json.ok) return refuse(c, json.error);
    const pushed = pushedSchema.safeParse(json.value);
    if (!pushed.success || !name.success) {
      const issues = pushed.error ?? name.error;
      const why = issues === undefined ? 'the request' : describeIssues(issues, 'the request');
      return refuse(c, failure('invalid_argument', why));
    }
    const outcome = await precomputed.replace(name.data, pushed.data.answers);
    return outcome.ok ? c.json(outcome.value) : refuse(c, outcome.error);
  });
  return app;
}
