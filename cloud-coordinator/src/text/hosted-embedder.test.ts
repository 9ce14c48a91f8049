import { servedEmbedderModel, servedEmbedderSchema } from '@skerry/models/embedding';
import { createOpenAiServer } from '@skerry/models/node';
import { createTextHandler, openAiErrorResponse } from '@skerry/models/openai';
import { createRandom, err, failure, ok } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { ServingLimits } from '../infer/serving-entry.ts';
import { createUpstreamPool, upstreamPoolDefaults } from '../infer/upstreams/upstream-pool.ts';
import { createHostedEmbedder } from './hosted-embedder.ts';
import { createPooledText } from './pooled-text.ts';

const limits: ServingLimits = {
  rowsMax: 32,
  delayMs: 0,
  slots: 2,
  queueRowsMax: 64,
  timeoutAction: 'reject',
  defaultTimeoutMs: 0,
  allowTimeoutOverride: true,
  priorities: 3,
};
const digest = `sha256:${'d'.repeat(64)}`;

interface Run {
  /** How many texts share a run of the instance that was asked. */
  readonly inRun: number;
  readonly texts: readonly string[];
}

/** Of a text's length and its first letter. What computes texts beside each other shows in the third. */
function createInstance(runs: Run[], embedMs = 0, inRun = 1) {
  let inside = 0;
  return {
    name: 'small',
    digest,
    dimensions: 8,
    tokensMax: 64,
    answers: undefined,
    execution: () => ({ provider: 'cpu' as const, refused: [] }),
    countTokens: (text: string) => text.length,
    textsInRun: () => inRun,
    async embed(texts: readonly string[]) {
      inside += 1;
      runs.push({ inRun, texts });
      await new Promise((resolve) => setTimeout(resolve, embedMs));
      const vectors = new Float32Array(texts.length * 8);
      for (const [i, text] of texts.entries())
        vectors.set([text.length, text.charCodeAt(0), inside], i * 8);
      inside -= 1;
      if (text0(texts) === 'bug') throw new Error('a bug');
      return text0(texts) === 'broken' ? err(failure('runtime_failed', 'broken')) : ok(vectors);
    },
    close: async () => {},
  };
}
const text0 = ([text]: readonly string[]) => text;

function open(more: Partial<ServingLimits> = {}, embedMs = 0, inRun = [1, 1]) {
  const runs: Run[] = [];
  const batches: number[] = [];
  const embedder = createHostedEmbedder(
    inRun.map((texts) => createInstance(runs, embedMs, texts)),
    { ...limits, ...more },
    { clock: systemClock, onBatch: (_, texts) => batches.push(texts) },
  );
  const pool = createUpstreamPool([embedder.member], upstreamPoolDefaults, {
    clock: systemClock,
    random: createRandom(1),
  });
  onTestFinished(async () => {
    pool.close();
    await embedder.close();
  });
  const handle = createTextHandler(
    createPooledText(pool),
    { bodyBytesMax: 1_000_000, deadlineMs: 5_000, deadlineMsMax: 5_000 },
    systemClock,
  );
  const client = createOpenAiServer('coordinator', 'http://here', {
    async fetch(url, init) {
      const { pathname } = new URL(url);
      const reply = await handle(new Request(url, init), pathname.slice('/v1'.length));
      return reply.ok ? reply.value : openAiErrorResponse(reply.error);
    },
  });
  const embed = (input: string[], model = servedEmbedderModel, leftMs = 5_000) =>
    client.embed({ model, input, encoding_format: 'float' }, { leftMs });
  return { embedder, runs, batches, embed, client };
}

const vectorsIn = ({ embeddings }: { embeddings: Readonly<Record<string, unknown>> }) =>
  (embeddings['data'] as { embedding: number[] }[]).map(({ embedding }) => embedding);

it('[EMB1] gives a text the vector that it has alone, in its place, from as many instances as there are', async () => {
  const { embed, runs } = open({}, 2);
  const texts = Array.from({ length: 40 }, (_, i) => `${String.fromCharCode(65 + i)}${i}`);
  const alone = vectorsIn(unwrap(await embed(['A0'])));
  const [together, beside] = await Promise.all([embed(texts), embed(['A0', 'B1'])]);
  const vectors = vectorsIn(unwrap(together));
  expect(vectors.map(([length, letter]) => [length, letter])).toEqual(
    texts.map((text) => [text.length, text.charCodeAt(0)]),
  );
  expect(vectors[0]).toEqual(alone[0]);
  expect(vectorsIn(unwrap(beside))[0]).toEqual(alone[0]);
  expect(vectors.every(([, , inside]) => inside === 1)).toBe(true);
  expect(Math.max(...runs.map(({ texts }) => texts.length))).toBeGreaterThan(1);
});

it.each([
  [[1, 1], 8],
  [[32, 32], 32],
  [[1, 32], 32],
])('[EMB1] gives instances of which %j texts share a run %d at once', async (inRun, most) => {
  const { embed, runs } = open({}, 1, inRun);
  unwrap(await embed(Array.from({ length: 70 }, (_, i) => `text ${i}`)));
  expect(Math.max(...runs.map(({ texts }) => texts.length))).toBe(most);
});

it('[EMB1] asks an instance whose texts share a run before one whose do not', async () => {
  const { embed, runs } = open({}, 0, [1, 32, 1]);
  for (let i = 0; i < 3; i++) unwrap(await embed([`text ${i}`]));
  expect(runs.map(({ inRun }) => inRun)).toEqual([32, 32, 32]);
});

it('[EMB2] says whose vectors they are, under its name and as the embedder', async () => {
  const { embed, client } = open();
  expect(unwrap(await client.list({ leftMs: 1_000 }))).toContain('small');
  for (const model of ['small', servedEmbedderModel]) {
    const { embeddings } = unwrap(await embed(['a text'], model));
    expect(embeddings).toMatchObject({ model: 'small', usage: { prompt_tokens: 6 } });
    expect(servedEmbedderSchema.parse(embeddings['embedder'])).toMatchObject({
      digest,
      dimensions: 8,
      tokensMax: 64,
    });
  }
});

it('[EMB2] takes a book that would not fit its queue, and refuses who comes when that is full', async () => {
  const { embed, embedder } = open({ queueRowsMax: 16 }, 1);
  const book = Array.from({ length: 200 }, (_, i) => `text ${i}`);
  expect(vectorsIn(unwrap(await embed(book)))).toHaveLength(200);
  const many = await Promise.all(Array.from({ length: 8 }, () => embed(book)));
  expect(many.some((each) => !each.ok && each.error.message.includes('waiting'))).toBe(true);
  expect(embedder.waiting()).toBe(0);
});

it('[EMB2] refuses tokens and other dimensions, tells of what broke, and ends with its time', async () => {
  const { client, embed } = open({}, 20);
  const ask = (more: object) =>
    client.embed({ model: 'small', input: 'a', ...more }, { leftMs: 1_000 });
  expect(await ask({ input: [1, 2] })).toMatchObject({ ok: false });
  expect(await ask({ dimensions: 4 })).toMatchObject({ ok: false });
  expect(await ask({ dimensions: 8 })).toMatchObject({ ok: true });
  expect(await embed(['broken'])).toMatchObject({ ok: false });
  for (let i = 0; i < 3; i++) expect(await embed(['bug'])).toMatchObject({ ok: false });
  expect(await embed(['a'])).toMatchObject({ ok: true });
  const late = await embed(
    Array.from({ length: 64 }, () => 'late'),
    'small',
    30,
  );
  expect(late).toMatchObject({ ok: false, error: { code: 'deadline_exceeded' } });
});
