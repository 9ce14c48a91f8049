// `skerry`: the operator's command line. Each command is one or a few requests to a coordinator's API.

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { err, failure, messageOf, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { createOperatorFetch } from '../adapters/operator-fetch.ts';
import type { Answer } from './command.ts';
import { commands } from './commands.ts';
import { createCoordinatorClient } from './coordinator-client.ts';
import {
  type CommandLine,
  commonFlags,
  describeFlags,
  parseCommandLine,
} from './parse-command-line.ts';
import { printable } from './printable.ts';

const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

// Whoever reads has had enough: `skerry devices | head`.
process.stdout.on('error', () => process.exit());

process.exitCode = await main(process.argv.slice(2)).catch((thrown) => {
  process.stderr.write(`skerry: ${messageOf(thrown)}\n`);
  return exitCodes.failed;
});

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 0 || argv[0] === '--help' || argv[0] === 'help') {
    process.stdout.write(`${usage()}\n`);
    return argv.length === 0 ? exitCodes.usage : exitCodes.ok;
  }
  const line = parseCommandLine(commands, argv, process.env);
  if (!line.ok) {
    process.stderr.write(`skerry: ${line.error.message}\n`);
    return exitCodes.usage;
  }
  const { name, command, common } = line.value;
  if (common.help) {
    const flags = describeFlags({ ...command.flags.shape, ...commonFlags.shape });
    process.stdout.write(`skerry ${name} ${command.operands}\n\n${command.about}\n\n${flags}\n`);
    return exitCodes.ok;
  }
  const done = await run(line.value).catch((thrown) => err(failure('internal', messageOf(thrown))));
  if (done.ok) {
    const { text, value, isBad = false } = done.value;
    const shown = common.json ? JSON.stringify(value) : printable(text);
    if (shown) process.stdout.write(`${shown}\n`);
    return isBad ? exitCodes.failed : exitCodes.ok;
  }
  const { code, message } = done.error;
  if (common.json) process.stdout.write(`${JSON.stringify({ error: message, code })}\n`);
  process.stderr.write(`${printable(`skerry ${name}: ${message}`)}\n`);
  return exitCodes.failed;
}

async function run(line: CommandLine): Promise<Result<Answer>> {
  const { command, operands, flags, common } = line;
  const ca = common.ca === undefined ? undefined : readFileSync(common.ca, 'utf8');
  const toCoordinator = createOperatorFetch(ca);
  const enough = new AbortController();
  process.once('SIGINT', () => enough.abort());
  const address = { url: common.coordinator, token: process.env['SKERRY_OPERATOR_TOKEN'] };
  const client = createCoordinatorClient(address, {
    fetch: toCoordinator.fetch,
    clock: systemClock,
  });
  try {
    return await command.run({
      client,
      operands,
      flags,
      json: common.json,
      user: userInfo().username || 'operator',
      clock: systemClock,
      fetch,
      errorIsTerminal: process.stderr.isTTY === true,
      terminal: process.stdout.isTTY ? process.stdout : undefined,
      print: (text) => process.stdout.write(text),
      printError: (text) => process.stderr.write(text),
      signal: enough.signal,
    });
  } finally {
    await toCoordinator.close();
  }
}

function usage(): string {
  const lines = Object.entries(commands).map(([name, { operands, about }]) => {
    return `  skerry ${`${name} ${operands}`.padEnd(38)} ${about}`;
  });
  return [
    'skerry COMMAND …, with --help for a command’s own flags',
    '',
    ...lines,
    '',
    'All take:',
    describeFlags(commonFlags.shape),
    '',
    'SKERRY_OPERATOR_TOKEN is the operator’s token. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.',
  ].join('\n');
}
