// Commands about a library against an agent's routes as they answer, in one process.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { expect, onTestFinished, test } from 'vitest';
import type { Answer } from './command.ts';
import { commands } from './commands.ts';
import { createCoordinatorClient } from './coordinator-client.ts';
import { parseCommandLine } from './parse-command-line.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const cited = (text: string, more: object = {}) => ({
  ...{ uri: 'pump.md', title: 'Pump', heading: 'Oil', digest, version: 1, start: 10, end: 40 },
  ...{ text, collection: 'manuals', verified: true },
  ...more,
});
const completion = (message: object, more: object = {}) => ({
  choices: [{ message }],
  library: { confidence: 0.734, threshold: 0.5, mode: 'hybrid', ...more },
  skerry: { source: 'library', reason: 'confident', degraded: false },
});

function world(routes: (agent: Hono) => void, signal = new AbortController().signal) {
  const agent = new Hono();
  const asked: { readonly path: string; readonly type?: string; readonly body: string }[] = [];
  agent.use(async (c, next) => {
    const type = c.req.header('content-type');
    const body = await c.req.raw.clone().text();
    const { pathname, search } = new URL(c.req.url);
    asked.push({ path: `${c.req.method} ${pathname}${search}`, body, ...(type && { type }) });
    await next();
  });
  routes(agent);
  const printed: string[] = [];
  const run = async (...argv: string[]): Promise<Result<Answer>> => {
    const line = unwrap(parseCommandLine(commands, argv, { SKERRY_AGENT: 'http://127.0.0.1:9' }));
    const ports = { fetch, clock: systemClock };
    return line.command.run({
      client: createCoordinatorClient({ url: line.common.coordinator }, ports),
      operands: line.operands,
      flags: line.flags,
      json: line.common.json,
      user: 'ada',
      clock: systemClock,
      fetch: async (url, init) => agent.fetch(new Request(url, init)),
      errorIsTerminal: true,
      terminal: undefined,
      print: (text) => printed.push(text),
      printError: (text) => printed.push(text),
      signal,
    });
  };
  return { run, asked, printed };
}

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

test('[ASK1] an answer is shown with numbers, where each stands, and how sure it is', async () => {
  const { run, asked } = world((agent) =>
    agent.post('/v1/chat/completions', (c) =>
      c.json(
        completion({
          content: 'Change the oil yearly. Use grade 32.',
          citations: [
            cited('Change the\noil yearly.'),
            cited('Use grade 32.', { page: 7, start: 60, end: 73, verified: false }),
          ],
          unverified: [],
        }),
      ),
    ),
  );
  const { text, value } = unwrap(await run('ask', 'which', 'oil?', '--collection', 'manuals'));
  expect(text).toContain('Change the oil yearly. [1] Use grade 32. [2]\n');
  expect(text).toContain(
    '[1] Pump › Oil\n    pump.md, characters 10–40  ✓ stands there\n[2] Pump › Oil\n    pump.md, page 7, characters 60–73  ✗ not found there',
  );
  expect(text).toContain('73 % sure');
  expect(value).toMatchObject({ confidence: 0.734, source: 'library', citations: [{}, {}] });
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    model: 'library/manuals',
    messages: [{ role: 'user', content: 'which oil?' }],
  });
});

test('[ASK1] a model’s own numbers stay, and what nothing bears out is marked', async () => {
  const { run } = world((agent) =>
    agent.post('/v1/chat/completions', (c) =>
      c.json(
        completion({
          content: 'Use grade 32 [3]. It is red [1].',
          citations: [cited('Use grade 32.', { number: 3 })],
          unverified: ['It is red.'],
        }),
      ),
    ),
  );
  const { text } = unwrap(await run('ask', 'which oil?'));
  expect(text).toContain('Use grade 32 [3]. It is red [1]. [?]\n');
  expect(text).toContain('[3] Pump › Oil');
  expect(text).toContain('[?] nothing that was found');
});

test('[ASK1] a question of a conversation says whose it is, and shows what it was understood as', async () => {
  const { run, asked } = world((agent) =>
    agent.post('/v1/chat/completions', (c) =>
      c.json(completion({ content: 'Yearly.', citations: [] }, { asked: 'Which oil? How often?' })),
    ),
  );
  const { text } = unwrap(await run('ask', 'how often?', '--conversation', 'shift-1'));
  expect(text).toContain('Understood as: Which oil? How often?');
  expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({
    ...{ metadata: { conversation: 'shift-1' }, user: 'ada' },
  });
});

const unsure = (agent: Hono) =>
  agent.post('/v1/chat/completions', (c) =>
    c.json({
      ...completion(
        { content: 'I do not know: nothing in the library answers that.', citations: [] },
        { pending: 'q-1' },
      ),
      skerry: { source: 'library', reason: 'not confident; no link', degraded: true },
    }),
  );
const late = (delivery: 'open' | 'late', id = 'q-1') => ({
  request_id: id,
  delivery,
  question: 'which oil?',
  ...(delivery === 'open'
    ? {}
    : { answer: { text: 'Grade 32. [1]', citations: [cited('Grade 32.', { number: 1 })] } }),
});

test('[ASK2] what it does not know it says, with why and by which id a better answer comes', async () => {
  const { run } = world((agent) => {
    unsure(agent);
    agent.get('/v1/answers/q-1', (c) => c.json(late('open')));
  });
  const { text } = unwrap(await run('ask', 'which oil?'));
  expect(text).toMatch(/^I do not know/);
  expect(text).toContain('not confident; no link');
  expect(text).toContain('Asked again when there is a link: q-1');
  expect(unwrap(await run('answer', 'q-1')).text).toBe('Nothing has come yet.');
});

test('[ASK2] a late answer is waited for on the stream, and is not missed before or after it begins', async () => {
  const { run, printed } = world((agent) => {
    unsure(agent);
    agent.get('/v1/answers/stream', (c) =>
      streamSSE(c, async (stream) => {
        await stream.writeSSE({ data: JSON.stringify(late('late', 'another')) });
        await stream.writeSSE({ data: JSON.stringify(late('late')) });
        await stream.sleep(60_000);
      }),
    );
    agent.get('/v1/answers/q-1', (c) => c.json(late('open')));
  });
  const { text, value } = unwrap(await run('ask', 'which oil?', '--wait'));
  expect(printed.join('')).toMatch(/^I do not know/);
  expect(text).toContain('Grade 32. [1]');
  expect(value).toMatchObject({ pending: 'q-1', late: { delivery: 'late' } });
  const before = world((agent) => {
    agent.get('/v1/answers/stream', (c) => streamSSE(c, (stream) => stream.sleep(60_000).then()));
    agent.get('/v1/answers/q-1', (c) => c.json(late('late')));
  });
  expect(unwrap(await before.run('answer', 'q-1', '--wait')).text).toContain('Grade 32.');
});

test('[ASK3] documents go in by their kind and under their terms, with what was refused and why', async () => {
  const folder = folderOf({
    'a/pump.md': '# Pump',
    'a/deep/oil.html': '<p>Oil</p>',
    'a/.git/x.md': 'x',
    'a/photo.jpg': 'x',
    'b/pump.md': 'same',
    'b/list.csv': 'a,b',
  });
  symlinkSync('/', join(folder, 'a', 'root'));
  let busy = 1;
  const { run, asked, printed } = world((agent) =>
    agent.put('/v1/collections/manuals/documents', (c) => {
      const uri = c.req.query('uri');
      if (uri === 'list.csv') return c.json({ error: 'no table', code: 'invalid_argument' }, 400);
      if (busy-- > 0) return c.json({ error: 'full', code: 'overloaded' }, 503);
      return c.json({ passages: 3, embedded: 2, unchanged: uri === 'pump.md' }, 201);
    }),
  );
  const files = [join(folder, 'a'), join(folder, 'b/list.csv'), join(folder, 'b/pump.md')];
  const again = join(folder, 'b', 'pump.md');
  const { text, value, isBad } = unwrap(
    await run('collection', 'add', 'manuals', ...files, again, '--readers', 'ann,bob'),
  );
  expect(isBad).toBe(true);
  expect(value).toMatchObject({ added: 2, unchanged: 1, passages: 9, embedded: 6 });
  expect(text).toContain('manuals: 2 taken in, 1 there already, 3 refused; 9 passages');
  expect(text).toMatch(/photo\.jpg +no \.txt, \.md/);
  expect(text).toMatch(/list\.csv +no table/);
  expect(text).toMatch(/pump\.md +another file here is pump\.md too/);
  expect(asked.map(({ path, type }) => [new URL(`http://x${path.slice(4)}`).search, type])).toEqual(
    [
      ['?uri=a%2Fdeep%2Foil.html&readers=ann%2Cbob', 'text/html'],
      ['?uri=a%2Fdeep%2Foil.html&readers=ann%2Cbob', 'text/html'],
      ['?uri=a%2Fpump.md&readers=ann%2Cbob', 'text/markdown'],
      ['?uri=list.csv&readers=ann%2Cbob', 'text/csv'],
      ['?uri=pump.md&readers=ann%2Cbob', 'text/markdown'],
    ],
  );
  expect(printed.join('')).toContain('a/pump.md');
  expect(await run('collection', 'add', 'manuals', join(folder, 'none'))).toMatchObject({
    error: { message: expect.stringContaining('ENOENT') },
  });
});

test('[ASK3] an agent that does not answer is no refusal of a document', async () => {
  const folder = folderOf({ 'pump.md': '# Pump' });
  const gone = world((agent) =>
    agent
      .put('/v1/collections/manuals/documents', () => {
        throw Object.assign(new TypeError('fetch failed'), { cause: new Error('ECONNREFUSED') });
      })
      .onError((thrown) => {
        throw thrown;
      }),
  );
  expect(await gone.run('collection', 'add', 'manuals', folder)).toMatchObject({
    error: { code: 'unavailable', message: expect.stringMatching(/ECONNREFUSED\n.*--agent/) },
  });
});

test('[ASK4] collections and their documents are listed', async () => {
  const { run, asked } = world((agent) => {
    const [one, two] = [
      { name: 'manuals', documents: 2, passages: 30, vectors: 30, revision: 4 },
      { name: 'old', error: 'belongs to another embedder' },
    ];
    agent.get('/v1/collections', (c) => c.json({ collections: [one, two] }));
    agent.get('/v1/collections/manuals/documents', (c) =>
      c.json({ documents: [{ uri: 'pump.md', title: 'Pump', version: 2, digest }] }),
    );
    agent.get('/v1/collections/none/documents', (c) =>
      c.json({ error: "no collection 'none'", code: 'not_found' }, 404),
    );
  });
  const listed = unwrap(await run('collection', 'list')).text;
  expect(listed).toMatch(/manuals +2 +30 +30\n/);
  expect(listed).toContain('belongs to another embedder');
  expect(listed).toContain('found by words');
  expect(unwrap(await run('collection', 'list', 'manuals', '--principals', 'ann')).text).toMatch(
    /pump\.md +2 +Pump/,
  );
  expect(asked.at(-1)?.path).toContain('?principals=ann');
  expect(await run('collection', 'list', 'none')).toMatchObject({ error: { code: 'not_found' } });
});
