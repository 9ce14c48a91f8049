// models embedder NAME --out FOLDER

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, failure, ok } from '@skerry/shared';
import { z } from 'zod';
import { descriptionName } from '../embedding/embedder-files.ts';
import { knownEmbedders } from '../embedding/known-embedders.ts';
import { defineCommand } from './command.ts';
import { pullFrom } from './pull.ts';

const names = knownEmbedders.map(({ description }) => description.name);
const schema = z.object({ out: z.string().min(1).describe('the folder') });

export const embedder = defineCommand(names.join('|'), schema, async (name, { out }) => {
  const known = knownEmbedders.find(({ description }) => description.name === name);
  if (known === undefined)
    return err(failure('invalid_argument', `no embedder '${name}'; expected ${names.join(', ')}`));
  const { description, sources } = known;
  for (const part of ['model', 'tokenizer'] as const) {
    const { path, sha256 } = description[part];
    const pulled = await pullFrom(sources[part], sha256, join(out, path));
    if (!pulled.ok) return pulled;
  }
  // Last: without it the folder is no embedder.
  await writeFile(join(out, descriptionName), `${JSON.stringify(description, null, 2)}\n`);
  return ok(`${out}: ${name}, ${description.dimensions} dimensions`);
});
