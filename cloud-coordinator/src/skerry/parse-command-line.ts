// From words to a command, its operands and its checked flags. Fails with `invalid_config`, which is a wrong usage.

import { parseArgs } from 'node:util';
import { describeIssues, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { Command } from './command.ts';

export interface CommandLine {
  readonly name: string;
  readonly command: Command;
  readonly operands: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
  readonly common: CommonFlags;
}

export const commonFlags = z.strictObject({
  coordinator: z
    .url({ protocol: /^https?$/ })
    .default('http://127.0.0.1:8080')
    .describe('where it listens; SKERRY_COORDINATOR'),
  ca: z.string().min(1).optional().describe('the fleet’s authority as a PEM file; SKERRY_CA'),
  json: z.boolean().default(false).describe('prints one JSON value, of a failure too'),
  help: z.boolean().default(false),
});
export type CommonFlags = z.output<typeof commonFlags>;

type Environment = Readonly<Record<string, string | undefined>>;
type Commands = Readonly<Record<string, Command>>;

export function parseCommandLine(
  commands: Commands,
  argv: readonly string[],
  environment: Environment,
): Result<CommandLine> {
  const name = [argv.slice(0, 2), argv.slice(0, 1)]
    .map((words) => words.join(' '))
    .find((words) => Object.hasOwn(commands, words));
  const command = name === undefined ? undefined : commands[name];
  if (name === undefined || command === undefined)
    return usage(`no command '${argv.slice(0, 2).join(' ')}'; skerry --help lists all`);
  const rest = argv.slice(name.split(' ').length);
  const split = splitFlags(rest, { ...command.flags.shape, ...commonFlags.shape });
  if (!split.ok) return usage(`${name}: ${split.error.message}`);
  const { values, positionals } = split.value;
  const own = {
    ...('agent' in command.flags.shape ? present('agent', environment['SKERRY_AGENT']) : {}),
    ...pick(values, Object.keys(command.flags.shape)),
  };
  const shared = {
    ...present('coordinator', environment['SKERRY_COORDINATOR']),
    ...present('ca', environment['SKERRY_CA']),
    ...pick(values, Object.keys(commonFlags.shape)),
  };
  const common = commonFlags.safeParse(shared);
  if (!common.success) return usage(describeIssues(common.error));
  if (common.data.help) return ok({ name, command, operands: [], flags: {}, common: common.data });
  const flags = command.flags.safeParse(own);
  if (!flags.success) return usage(`${name}: ${describeIssues(flags.error)}`);
  const words = command.operands.split(' ').filter((word) => word !== '');
  const needed = words.filter((word) => !word.startsWith('[')).length;
  const most = words.at(-1)?.endsWith('…') === true ? Number.POSITIVE_INFINITY : words.length;
  if (positionals.length < needed || positionals.length > most)
    return usage(`expected: skerry ${name} ${command.operands}`);
  return ok({ name, command, operands: positionals, flags: flags.data, common: common.data });
}

/** The flags of a command, one a line. */
export function describeFlags(shape: Readonly<Record<string, unknown>>): string {
  return Object.entries(shape)
    .map(([key, schema]) => {
      const flag = `--${kebab(key)}${isSwitch(schema as z.ZodType) ? '' : ' …'}`;
      return `  ${flag.padEnd(30)}${(schema as z.ZodType).description ?? ''}`.trimEnd();
    })
    .join('\n');
}

function splitFlags(argv: readonly string[], shape: Readonly<Record<string, unknown>>) {
  const options = Object.fromEntries(
    Object.entries(shape).map(([key, schema]) => [
      kebab(key),
      { type: isSwitch(schema as z.ZodType) ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options,
      allowPositionals: true,
      strict: true,
    });
    return ok({ values: values as Readonly<Record<string, unknown>>, positionals });
  } catch (thrown) {
    return err(failure('invalid_config', messageOf(thrown)));
  }
}

const usage = (message: string) => err(failure('invalid_config', message));
const present = (key: string, value: string | undefined) =>
  value === undefined ? {} : { [key]: value };
const kebab = (key: string): string => key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
const isSwitch = (schema: z.ZodType): boolean => schema.safeParse(true).success;

function pick(values: Readonly<Record<string, unknown>>, keys: readonly string[]) {
  return Object.fromEntries(
    keys.flatMap((key) => (values[kebab(key)] === undefined ? [] : [[key, values[kebab(key)]]])),
  );
}
