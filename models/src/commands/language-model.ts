// models language-model NAME --out FOLDER

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { err, failure, ok } from '@skerry/shared';
import { z } from 'zod';
import { knownLanguageModels } from '../language/known-language-models.ts';
import { languageModelFileName } from '../language/language-model-files.ts';
import { digestOfFile } from '../node/read-language-model.ts';
import { defineCommand } from './command.ts';
import { pullFrom } from './pull.ts';

const names = knownLanguageModels.map(({ description }) => description.name);
const schema = z.object({ out: z.string().min(1).describe('the folder') });

export const languageModel = defineCommand(names.join('|'), schema, async (name, { out }) => {
  const known = knownLanguageModels.find(({ description }) => description.name === name);
  if (known === undefined)
    return err(
      failure('invalid_argument', `no language model '${name}'; expected ${names.join(', ')}`),
    );
  const { description, parts } = known;
  const { path, sha256 } = description.model;
  const file = join(out, path);
  await mkdir(out, { recursive: true });
  if ((await digestOfFile(file).catch(() => undefined)) !== sha256) {
    const pulled: string[] = [];
    for (const [i, part] of parts.entries()) {
      const at = `${file}.part${i + 1}`;
      const done = await pullFrom(part.sources, part.sha256, at);
      if (!done.ok) return done;
      pulled.push(at);
    }
    await joinFiles(pulled, `${file}.joined`);
    const digest = await digestOfFile(`${file}.joined`);
    if (digest !== sha256) {
      await rm(`${file}.joined`);
      return err(failure('digest_mismatch', `${path} is ${digest}, not ${sha256}`));
    }
    await rename(`${file}.joined`, file);
    for (const at of pulled) await rm(at);
  }
  // Last: without it the folder is no language model.
  await writeFile(join(out, languageModelFileName), `${JSON.stringify(description, null, 2)}\n`);
  return ok(
    `${out}: ${name}, ${description.contextTokens} tokens. To run it: npm install --no-save --ignore-scripts --omit=optional node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1`,
  );
});

async function joinFiles(from: readonly string[], to: string): Promise<void> {
  await rm(to, { force: true });
  for (const path of from)
    await pipeline(createReadStream(path), createWriteStream(to, { flags: 'a' }));
}
