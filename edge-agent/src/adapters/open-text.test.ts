import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainTextRouter } from '@skerry/models/text-router';
import { systemClock } from '@skerry/shared/node';
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
