// Conversations with the library as OpenAI's API has them: to be looked at, gone on with, and deleted. They begin with a
// question. Who asks for whom the app on this device vouches for, in the query as in a question.
// https://platform.openai.com/docs/api-reference/conversations

import { describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import { conversationIdSchema, conversationReaderSchema } from '@skerry/sync-protocol';
import { type Context, Hono } from 'hono';
import type {
  ConversationKey,
  ConversationStore,
  KeptTurn,
} from '../retrieve/conversation-store.ts';
import { describeCitation } from '../retrieve/library-reply.ts';
import type { QuestionStore } from '../retrieve/question-store.ts';
import { refuse } from './refuse.ts';

export interface ConversationRoutes {
  readonly conversations: ConversationStore;
  /** What was said later. */
  readonly questions: Pick<QuestionStore, 'get'>;
}

/** Of one conversation, shown at once. */
const turnsMax = 1_000;

export function conversationRoutes({ conversations, questions }: ConversationRoutes): Hono {
  const app = new Hono();

  app.get('/', (c) => {
    const reader = readerOf(c);
    if (!reader.ok) return refuse(c, reader.error);
    const data = conversations.list(reader.value).map(({ id, firstMs, lastMs, turns }) => ({
      ...describe(id, firstMs),
      last_at: Math.floor(lastMs / 1_000),
      turns,
    }));
    return c.json({ object: 'list', data, has_more: false });
  });

  app.get('/:id', async (c) => {
    const found = await find(c);
    return found.ok
      ? c.json(describe(found.value.key.id, found.value.turns[0].atMs))
      : refuse(c, found.error);
  });

  app.get('/:id/items', async (c) => {
    const found = await find(c);
    if (!found.ok) return refuse(c, found.error);
    const data = found.value.turns.flatMap(itemsOf);
    const ids = { first_id: data[0]?.id, last_id: data.at(-1)?.id };
    return c.json({ object: 'list', data, has_more: false, ...ids });
  });

  app.delete('/:id', async (c) => {
    const key = keyOf(c);
    if (!key.ok) return refuse(c, key.error);
    await conversations.bring?.(key.value);
    const removed = conversations.remove(key.value);
    if (!removed.ok) return refuse(c, removed.error);
    return removed.value
      ? c.json({ id: key.value.id, object: 'conversation.deleted', deleted: true })
      : refuse(c, none);
  });

  const find = async (c: Context) => {
    const key = keyOf(c);
    if (!key.ok) return key;
    await conversations.bring?.(key.value);
    const [first, ...more] = conversations.turns(key.value, turnsMax);
    if (first === undefined) return err(none);
    return ok({ key: key.value, turns: [first, ...more] as const });
  };

  const itemsOf = ({ number, question, said, source, later }: KeptTurn) => {
    const record = later && questions.get(later.requestId);
    const late = record?.said;
    const last = late ?? said;
    return [
      {
        ...{ id: `msg_${number}_asked`, type: 'message', role: 'user', status: 'completed' },
        content: [{ type: 'input_text', text: question }],
      },
      {
        ...{ id: `msg_${number}_said`, type: 'message', role: 'assistant' },
        // What is still to come may be better.
        status: record?.delivery === 'open' ? 'in_progress' : 'completed',
        content: [{ type: 'output_text', text: last.text, annotations: [] }],
        citations: last.citations.map(describeCitation),
        unverified: last.unverified,
        source: late?.model ?? source,
        ...(later === undefined ? {} : { pending: later.requestId }),
      },
    ];
  };
  return app;
}

const none = failure('not_found', 'no such conversation');

const describe = (id: string, firstMs: number) => ({
  ...{ id, object: 'conversation', created_at: Math.floor(firstMs / 1_000) },
  metadata: { conversation: id },
});

function readerOf(c: Context): Result<string> {
  const reader = conversationReaderSchema.safeParse(
    c.req.query('safety_identifier') ?? c.req.query('user') ?? '',
  );
  return reader.success
    ? ok(reader.data)
    : err(failure('invalid_argument', describeIssues(reader.error, 'the query')));
}

function keyOf(c: Context): Result<ConversationKey> {
  const reader = readerOf(c);
  if (!reader.ok) return reader;
  const id = conversationIdSchema.safeParse(c.req.param('id'));
  return id.success ? ok({ reader: reader.value, id: id.data }) : err(none);
}
