// What every command of `npm run models` has in common: a subject, flags, and a text as its result.

import { describeConfig, err, failure, type Result } from '@skerry/shared';
import { loadProcessConfig } from '@skerry/shared/node';
import type { z } from 'zod';

export interface Command {
  readonly usage: string;
  /** The text for standard output; what is not a result goes to standard error. */
  run(argv: readonly string[]): Promise<Result<string>>;
}

/** A command that works on one thing, which its first argument names. */
export function defineCommand<S extends z.ZodObject>(
  subject: string,
  schema: S,
  act: (subject: string, options: z.output<S>) => Promise<Result<string>>,
): Command {
  // No command reads its options from the environment.
  const flags = describeConfig(schema).replace(/; SKERRY_\w+\)/g, ')');
  const usage = `${subject} [--key value]…\n\n${flags}\n`;
  return {
    usage,
    async run(argv) {
      const [first, ...flags] = argv;
      if (first === undefined || first.startsWith('--'))
        return err(failure('invalid_config', `needs ${subject}`));
      const options = loadProcessConfig(schema, flags, {});
      return options.ok ? act(first, options.value) : options;
    },
  };
}

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** Lines of cells, each column as wide as it must be; the first is flush left. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
