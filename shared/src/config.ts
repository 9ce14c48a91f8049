// One zod object schema a process: flat camelCase keys, defaults inside. Values come from, later wins:
// defaults, a JSON file, the environment (SKERRY_HTTP_PORT), flags (--http-port 8080).
// A key that the schema does not know is an error wherever it stands, so a typo never becomes a silent default.

import { z } from 'zod';
import { type Failure, failure } from './failure.ts';
import { err, ok, type Result } from './result.ts';

export interface ConfigSources {
  readonly file?: unknown;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags: readonly string[];
}

const environmentPrefix = 'SKERRY_';
const secretRegistry = z.registry<{ secret: true }>();

/** Marks a config value that is printed as `***`. */
export function secret<T extends z.ZodType>(schema: T): T {
  secretRegistry.add(schema, { secret: true });
  return schema;
}

export function loadConfig<S extends z.ZodObject>(
  schema: S,
  sources: ConfigSources,
): Result<z.output<S>> {
  const keys = Object.keys(schema.shape);
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  readFile(sources.file, values, problems);
  readEnvironment(keys, sources.environment, values, problems);
  readFlags(keys, sources.flags, values, problems);
  if (problems.length > 0) return err(invalid(problems));
  const parsed = schema.strict().safeParse(values);
  if (parsed.success) return ok(parsed.data as z.output<S>);
  return err(
    invalid(
      parsed.error.issues.map((i) =>
        i.code === 'unrecognized_keys'
          ? `unknown key ${i.keys.map((k) => `'${k}'`).join(', ')} in the file`
          : `${i.path.join('.')}: ${i.message}`,
      ),
    ),
  );
}

/** A whole number within bounds, as a number or as its digits: flags and variables are text. */
export const countSchema = (min: number, max: number) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d{1,15}$/, 'expected digits')
          .transform(Number),
      ],
      {
        error: `expected a whole number from ${min} to ${max}`,
      },
    )
    .pipe(z.int().min(min).max(max));

/** A share of a whole, as a number or as its decimal digits. */
export const shareSchema = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\d(\.\d{1,9})?$/, 'expected digits')
        .transform(Number),
    ],
    { error: 'expected a number from 0 to 1' },
  )
  .pipe(z.number().min(0).max(1));

/** A TCP port; 0 takes a free one. */
export const portSchema = countSchema(0, 65_535);

/** Names or paths, separated by commas. */
export const listSchema = z
  .string()
  .transform((text) => text.split(',').map((item) => item.trim()))
  .refine((items) => items.every((item) => item !== ''), 'an item is empty');

/** The config as it may be printed. */
export function redactConfig(schema: z.ZodObject, config: Record<string, unknown>) {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      const field = schema.shape[key];
      const isSecret = field !== undefined && secretRegistry.has(field as z.ZodType);
      return [key, isSecret && value !== undefined ? '***' : value];
    }),
  );
}

/** `--key value` and `--key=value` lines that say what may be set, with defaults. */
export function describeConfig(schema: z.ZodObject): string {
  return Object.entries(schema.shape)
    .map(([key, field]) => {
      const parsed = (field as z.ZodType).safeParse(undefined);
      const fallback = !parsed.success
        ? 'required'
        : parsed.data === undefined
          ? 'optional'
          : `default ${JSON.stringify(parsed.data)}`;
      const about = (field as z.ZodType).description ?? '';
      return `  ${flagOf(key).padEnd(28)} ${about} (${fallback}; ${variableOf(key)})`;
    })
    .join('\n');
}

const kebab = (key: string): string => key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
const flagOf = (key: string): string => `--${kebab(key)}`;
const variableOf = (key: string): string =>
  environmentPrefix + kebab(key).replaceAll('-', '_').toUpperCase();

const invalid = (problems: readonly string[]): Failure =>
  failure('invalid_config', `configuration: ${problems.join('; ')}`);

function readFile(file: unknown, values: Record<string, unknown>, problems: string[]): void {
  if (file === undefined) return;
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    problems.push('the file must hold one JSON object');
  else Object.assign(values, file);
}

function readEnvironment(
  keys: readonly string[],
  environment: ConfigSources['environment'],
  values: Record<string, unknown>,
  problems: string[],
): void {
  const byVariable = new Map(keys.map((key) => [variableOf(key), key]));
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(environmentPrefix) || text === undefined) continue;
    const key = byVariable.get(variable);
    if (key === undefined) problems.push(`unknown variable ${variable}`);
    else values[key] = text;
  }
}

function readFlags(
  keys: readonly string[],
  flags: readonly string[],
  values: Record<string, unknown>,
  problems: string[],
): void {
  const byFlag = new Map(keys.map((key) => [flagOf(key), key]));
  for (let i = 0; i < flags.length; i++) {
    const [flag = '', inline] = (flags[i] as string).split(/=(.*)/s);
    const key = byFlag.get(flag);
    if (key === undefined) {
      problems.push(`unknown flag ${flag}`);
      // What follows a mistyped flag is its value, not another flag.
      if (inline === undefined && flags[i + 1]?.startsWith('--') === false) i += 1;
      continue;
    }
    const value = inline ?? flags[++i];
    if (value === undefined) problems.push(`${flag} needs a value`);
    else values[key] = value;
  }
}
