import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainTextRouter } from '@skerry/models/text-router';
import { sha256, systemClock } from '@skerry/shared/node';
import { expect, it, onTestFinished } from 'vitest';
import { agentConfigSchema } from '../config.ts';
import { openText } from './open-text.ts';

const open = (config: Readonly<Record<string, string>>) =>
  openText(agentConfigSchema.parse(config), { fetch, clock: systemClock });

function fileOf(content: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-text-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'file.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const textUpstream = 'http://127.0.0.1:1';
const router = {
  ...trainTextRouter([{ text: 'a', weakRight: true, strongRight: true }]),
  threshold: 0.25,
};

it('opens whom the configuration names, and nobody else', async () => {
  const namesOf = async (config: Readonly<Record<string, string>>) => {
    const opened = await open(config);
    return opened.ok ? Object.keys(opened.value.sources) : opened.error;
  };
  expect(await namesOf({})).toEqual([]);
  expect(await namesOf({ coordinatorUrl: 'http://127.0.0.1:2' })).toEqual(['cloud']);
  const textAnswers = fileOf({ answers: [] });
  const all = { textUpstream, coordinatorUrl: 'http://127.0.0.1:2', textAnswers };
  expect(await namesOf(all)).toEqual(['local', 'cloud', 'answers']);
});

it('takes the threshold that a router was proven with', async () => {
  expect(await open({ textUpstream, textRouter: fileOf(router) })).toMatchObject({
    value: { trusted: { threshold: 0.25 } },
  });
});

it('refuses files that are not what they should be, and a router with nobody to trust', async () => {
  for (const config of [
    { textRouter: fileOf(router) },
    { textUpstream, textRouter: '/nowhere' },
    { textUpstream, textRouter: fileOf('{') },
    { textUpstream, textRouter: fileOf({ ...router, words: [1] }) },
    { textAnswers: '/nowhere' },
    { textAnswers: fileOf([]) },
  ])
    expect(await open(config)).toMatchObject({ error: { code: 'invalid_config' } });
});

it('[LIB55] refuses a language model that is not what it says, that takes more than models may, or beside a server', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-language-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'model.gguf'), 'weights');
  const describe = (digest: string) =>
    writeFileSync(
      join(folder, 'language-model.json'),
      JSON.stringify({
        ...{ schema: 'skerry.language-model/1', name: 'tiny', license: 'MIT' },
        model: { path: 'model.gguf', sha256: digest, bytes: 7 },
        ...{ contextTokens: 512, answerTokensMax: 64, memoryBytes: 2 ** 20 },
      }),
    );
  const codeOf = async (memoryBytesMax: number, more: Readonly<Record<string, string>> = {}) => {
    const config = agentConfigSchema.parse({ languageModel: folder, ...more });
    const opened = await openText(config, { fetch, clock: systemClock }, memoryBytesMax);
    return opened.ok ? 'ok' : `${opened.error.code}: ${opened.error.message}`;
  };
  describe(`sha256:${'0'.repeat(64)}`);
  expect(await codeOf(2 ** 30)).toContain('digest_mismatch');
  describe(sha256(new TextEncoder().encode('weights')));
  expect(await codeOf(1_000)).toContain('invalid_config: tiny takes 1 MiB');
  expect(await codeOf(2 ** 30, { textUpstream })).toContain('not both');
  expect(await codeOf(2 ** 30)).toMatch(/invalid_config: a language model needs .*npm install/);
});
