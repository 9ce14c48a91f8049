// models pull SOURCE --sha256 … --out FILE [--mirrors SOURCE,…]

import { basename } from 'node:path';
import { digestSchema, err, failure, listSchema, ok, type Result } from '@skerry/shared';
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
  mirrors: listSchema
    .default([])
    .describe('further sources of the same bytes, tried in turn, separated by commas'),
});

const progressEveryMs = 1_000;

export const pull = defineCommand(
  'npm:NAME@VERSION#PATH|hf:OWNER/NAME@COMMIT#PATH|https://…|file:PATH',
  schema,
  async (subject, { sha256, out, mirrors }) => {
    const pulled = await pullFrom([subject, ...mirrors], sha256, out);
    if (!pulled.ok) return pulled;
    return ok(pulled.value === 'present' ? `${out} is there already` : `${out} pulled, ${sha256}`);
  },
);

/** From the first source that has it; fails as the last one did. */
export async function pullFrom(
  subjects: readonly string[],
  digest: string,
  out: string,
): Promise<Result<'present' | 'pulled'>> {
  const fetchers = {
    npm: createNpmFetcher(),
    https: createHttpsFetcher({ fetch, clock: systemClock }),
    file: createFileFetcher(),
  };
  let last: Result<'present' | 'pulled'> = err(failure('invalid_argument', 'no source'));
  for (const subject of subjects) {
    const source = parseSource(subject);
    if (!source.ok) return source;
    last = await pullFile(source.value, digest, out, fetchers, createProgress(basename(out)));
    if (last.ok) return last;
    process.stderr.write(`${subject}: ${last.error.message}\n`);
  }
  return last;
}

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
