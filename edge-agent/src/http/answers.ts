// Late answers: a stream of server-sent events, and one by its id.

import { type Clock, failure } from '@skerry/shared';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { AnswerStream } from '../infer/answer-stream.ts';
import { describeRecord } from '../infer/describe-record.ts';
import type { LateAnswers, LateRecord } from '../infer/late-answers.ts';
import { keepAlive } from './keep-alive.ts';
import { refuse } from './refuse.ts';

export interface AnswerRoutes {
  readonly answers: AnswerStream;
  readonly escalations: Pick<LateAnswers, 'get'>;
  /** Of the version that asked. */
  readonly labelsOf: (model: string, version: string) => readonly string[] | undefined;
  readonly clock: Clock;
}

export function answerRoutes({ answers, escalations, labelsOf, clock }: AnswerRoutes): Hono {
  const app = new Hono();
  const describe = (record: LateRecord) => describeRecord(record, labelsOf);

  // `Last-Event-ID` is what an EventSource sends when it reconnects; `?after=0` asks for all that are kept.
  app.get('/stream', (c) => {
    const from = c.req.header('last-event-id') ?? c.req.query('after');
    if (from !== undefined && !/^\d{1,15}$/.test(from))
      return refuse(c, failure('invalid_argument', `'${from.slice(0, 32)}' is no event id`));
    // A HEAD runs this handler too, and nobody reads, or ends, the stream that it would open.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' });
    const gone = new AbortController();
    const records = answers.subscribe(from === undefined ? undefined : Number(from), gone.signal);
    if (!records.ok) return refuse(c, records.error);
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => gone.abort());
      try {
        await stream.write(': connected\n\n');
        keepAlive(clock, gone.signal, () => stream.write(': still here\n\n'));
        for await (const record of records.value)
          await stream.writeSSE({
            id: String(record.settled),
            event: 'answer',
            data: JSON.stringify(describe(record)),
          });
      } finally {
        gone.abort();
      }
    });
  });

  app.get('/:id', (c) => {
    const record = escalations.get(c.req.param('id'));
    return record === undefined
      ? refuse(c, failure('not_found', 'no escalation of that id is remembered'))
      : c.json(describe(record));
  });
  return app;
}
