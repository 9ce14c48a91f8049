#!/usr/bin/env node
// `npm run models -- COMMAND …`: what is done to models before a device gets them.

import { failure, messageOf } from '@skerry/shared';
import { calibrate } from './commands/calibrate.ts';
import type { Command } from './commands/command.ts';
import { distill } from './commands/distill.ts';
import { embedder } from './commands/embedder.ts';
import { importModels } from './commands/import.ts';
import { inspect } from './commands/inspect.ts';
import { languageModel } from './commands/language-model.ts';
import { pull } from './commands/pull.ts';
import { quantize } from './commands/quantize.ts';
import { route } from './commands/route.ts';
import { split } from './commands/split.ts';

const commands: Readonly<Record<string, Command>> = {
  calibrate,
  distill,
  embedder,
  import: importModels,
  inspect,
  'language-model': languageModel,
  pull,
  quantize,
  route,
  split,
};

const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

async function main([name = '', ...argv]: readonly string[]): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined || argv.includes('--help')) {
    const usages = Object.entries(commands)
      .filter(([each]) => command === undefined || each === name)
      .map(([each, { usage }]) => `npm run models -- ${each} ${usage}\n`);
    process.stderr.write(usages.join('\n'));
    return command === undefined ? exitCodes.usage : exitCodes.ok;
  }
  const done = await command
    .run(argv)
    .catch((thrown) => ({ ok: false, error: failure('internal', messageOf(thrown)) }) as const);
  if (done.ok) process.stdout.write(`${done.value}\n`);
  else process.stderr.write(`${name}: ${done.error.message}\n`);
  return done.ok ? exitCodes.ok : exitCodes.failed;
}

process.exitCode = await main(process.argv.slice(2));
