// Config of this process: `--config FILE` or SKERRY_CONFIG names the file, then environment, then flags.

import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { loadConfig } from '../config.ts';
import { failure, messageOf } from '../failure.ts';
import { parseJson } from '../parse-json.ts';
import { err, ok, type Result } from '../result.ts';

export function loadProcessConfig<S extends z.ZodObject>(
  schema: S,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Result<z.output<S>> {
  // The last two are the operator's command line's: whoever sets them may start a process all the same.
  const {
    SKERRY_CONFIG: fromEnvironment,
    SKERRY_COORDINATOR: _,
    SKERRY_CA: __,
    ...environment
  } = env;
  const flags = [...argv];
  const at = flags.findIndex((f) => f === '--config' || f.startsWith('--config='));
  let path = fromEnvironment;
  if (at >= 0) {
    const [flag = ''] = flags.splice(at, 1);
    path = flag.includes('=') ? flag.slice('--config='.length) : flags.splice(at, 1)[0];
    if (path === undefined) return err(failure('invalid_config', '--config needs a file'));
  }
  const file = path === undefined ? ok(undefined) : readJson(path);
  return file.ok ? loadConfig(schema, { file: file.value, environment, flags }) : file;
}

function readJson(path: string): Result<unknown> {
  const what = `configuration file ${path}`;
  try {
    return parseJson(readFileSync(path), what, 'invalid_config');
  } catch (thrown) {
    return err(failure('invalid_config', `${what}: ${messageOf(thrown)}`));
  }
}
