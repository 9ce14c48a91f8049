// `skerry ask`, `skerry collection …`: an agent's library, over the agent's own API.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { addDocuments } from './add-documents.ts';
import { awaitAnswer, readLateAnswer } from './await-answer.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import {
  type CoordinatorClient,
  createCoordinatorClient,
  readAnswer,
} from './coordinator-client.ts';
import { drawAsked, drawLate } from './draw-answer.ts';
import { drawTable } from './draw-table.ts';
import { gatherDocuments } from './gather-documents.ts';
import { askedAnswerOf, completionSchema } from './library-answer.ts';
import { printable } from './printable.ts';
import { createProgressBar } from './progress-bar.ts';

const agent = z
  .url({ protocol: /^https?$/ })
  .default('http://127.0.0.1:8081')
  .describe('the agent whose library it is; SKERRY_AGENT');
const principals = z
  .string()
  .max(4_096)
  .optional()
  .describe('who may find them, separated by commas; else everybody');

/** As long as an agent may take to answer a text. */
const askWithinMs = 630_000;

const collectionsSchema = z.object({
  collections: z.array(
    z.object({
      name: z.string(),
      documents: z.number().optional(),
      passages: z.number().optional(),
      vectors: z.number().optional(),
      error: z.string().optional(),
    }),
  ),
  embedder: z.string().optional(),
});
const documentsSchema = z.object({
  documents: z.array(z.object({ uri: z.string(), title: z.string(), version: z.number() })),
});

export const libraryCommands = {
  ask: defineCommand({
    about: 'an agent’s library: the answer, and where it stands',
    operands: 'QUESTION…',
    flags: z.strictObject({
      agent,
      collection: z.string().min(1).optional().describe('only this one; else all'),
      conversation: z
        .string()
        .min(1)
        .optional()
        .describe('its name: the agent keeps it, and what comes next may go on from it'),
      wait: z.boolean().default(false).describe('for what comes later, where it was not sure'),
    }),
    run: ask,
  }),

  answer: defineCommand({
    about: 'what has been said later to a question that was asked again, by its id',
    operands: 'ID',
    flags: z.strictObject({
      agent,
      wait: z.boolean().default(false).describe('until it is there'),
    }),
    async run(call) {
      const [id = ''] = call.operands;
      const client = clientOf(call);
      const ports = { ...call, client };
      const late = await (call.flags.wait ? awaitAnswer(id, ports) : readLateAnswer(client, id));
      if (!late.ok) return late;
      return ok({ text: drawLate(late.value, call.terminal?.columns), value: late.value });
    },
  }),

  'collection add': defineCommand({
    about:
      'files, and all that folders hold, into an agent’s library; what is there is not read again',
    operands: 'NAME FILE…',
    flags: z.strictObject({
      agent,
      readers: principals,
      trust: z.string().optional().describe('0 to 1: how much what it says counts'),
      meta: z.string().optional().describe('key=value&key=value, to find them by'),
    }),
    run: add,
  }),

  'collection list': defineCommand({
    about: 'an agent’s collections, or the documents of one that everybody may read',
    operands: '[NAME]',
    flags: z.strictObject({ agent, principals: principals.describe('whose documents, too') }),
    run: list,
  }),
} as const;

const clientOf = ({ flags, fetch, clock }: Call<{ readonly agent: string }>): CoordinatorClient =>
  createCoordinatorClient(
    { url: flags.agent, hint: 'Is an agent running there? --agent or SKERRY_AGENT says where.' },
    { fetch, clock },
  );

interface AskFlags {
  readonly agent: string;
  readonly collection?: string | undefined;
  readonly conversation?: string | undefined;
  readonly wait: boolean;
}

async function ask(call: Call<AskFlags>): Promise<Result<Answer>> {
  const { flags, operands, signal, terminal, json, user } = call;
  const client = clientOf(call);
  const model = ['library', ...(flags.collection === undefined ? [] : [flags.collection])];
  const messages = [{ role: 'user', content: operands.join(' ') }];
  const { conversation } = flags;
  const kept = conversation === undefined ? {} : { metadata: { conversation }, user };
  const response = await client.ask('POST', '/v1/chat/completions', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: model.join('/'), messages, ...kept }),
    withinMs: askWithinMs,
    signal,
  });
  if (!response.ok) return response;
  const completion = await readAnswer(client.url, response.value, completionSchema);
  if (!completion.ok) return completion;
  const answer = askedAnswerOf(completion.value);
  const text = drawAsked(answer, terminal?.columns);
  const { pending } = answer;
  if (pending === undefined || !flags.wait) return ok({ text, value: answer });
  if (!json) call.print(`${printable(text)}\n\n`);
  const late = await awaitAnswer(pending, { ...call, client });
  if (!late.ok) return late;
  return ok({
    text: drawLate(late.value, terminal?.columns),
    value: { ...answer, late: late.value },
  });
}

interface AddFlags {
  readonly agent: string;
  readonly readers?: string | undefined;
  readonly trust?: string | undefined;
  readonly meta?: string | undefined;
}

async function add(call: Call<AddFlags>): Promise<Result<Answer>> {
  const [name = '', ...named] = call.operands;
  const { agent: _, ...terms } = call.flags;
  const documents = await gatherDocuments(named);
  if (!documents.ok) return documents;
  if (documents.value.length === 0) return err(failure('not_found', 'no file is in there'));
  const query = Object.entries(terms).filter((each): each is [string, string] => Boolean(each[1]));
  const pathOf = (uri: string): string =>
    `/v1/collections/${encodeURIComponent(name)}/documents?${new URLSearchParams([['uri', uri], ...query])}`;
  const bar = createProgressBar(call.errorIsTerminal ? call.printError : undefined);
  const ports = { ...call, client: clientOf(call) };
  const done = await addDocuments(documents.value, pathOf, ports, bar);
  bar.clear();
  if (!done.ok) return done;
  const { added, unchanged, passages, embedded, refused } = done.value;
  const counts = `${name}: ${added} taken in, ${unchanged} there already, ${refused.length} refused; ${passages} passages, ${embedded} of them embedded now`;
  const rows = refused.map(({ path, reason }) => [path, reason]);
  const table = rows.length === 0 ? [] : ['', drawTable(['refused', 'why'], rows)];
  return ok({
    text: [counts, ...table].join('\n'),
    value: { collection: name, ...done.value },
    isBad: refused.length > 0,
  });
}

async function list(
  call: Call<{ agent: string; principals?: string | undefined }>,
): Promise<Result<Answer>> {
  const [name] = call.operands;
  const client = clientOf(call);
  if (name !== undefined) {
    const { principals: who = '' } = call.flags;
    const path = `/v1/collections/${encodeURIComponent(name)}/documents?${new URLSearchParams({ principals: who })}`;
    const listed = await client.get(path, documentsSchema);
    if (!listed.ok) return listed;
    const rows = listed.value.documents.map(({ uri, title, version }) => [uri, version, title]);
    return ok({ text: drawTable(['document', 'version', 'title'], rows), value: listed.value });
  }
  const listed = await client.get('/v1/collections', collectionsSchema);
  if (!listed.ok) return listed;
  const { collections, embedder } = listed.value;
  const rows = collections.map((each) => [
    each.name,
    each.documents ?? '',
    each.passages ?? '',
    each.vectors ?? '',
    each.error ?? '',
  ]);
  const found = embedder === undefined ? 'found by words; no embedder' : `embedder ${embedder}`;
  const table = drawTable(['collection', 'documents', 'passages', 'vectors', ''], rows);
  const nothing = 'No collection yet: skerry collection add NAME FILE…';
  return ok({
    text: `${rows.length === 0 ? nothing : table}\n${found}`,
    value: listed.value,
  });
}
