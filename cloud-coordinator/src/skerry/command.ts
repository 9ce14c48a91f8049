// What every command of `skerry` has in common: words that name it, operands, flags, and an answer that is a text for
// a person or a value for a program.

import type { Clock, Result } from '@skerry/shared';
import type { Fetch } from '@skerry/shared/node';
import type { z } from 'zod';
import type { CoordinatorClient } from './coordinator-client.ts';

export interface Answer {
  readonly text: string;
  /** What `--json` prints. */
  readonly value: unknown;
  /** It was found out, and is no success: a rollout that was rolled back while somebody watched. */
  readonly isBad?: boolean;
}

/** Where a command runs. */
export interface Surroundings {
  /** Whoever asks, as far as the system says. */
  readonly user: string;
  readonly clock: Clock;
  /** To anywhere; the coordinator has a client of its own. */
  readonly fetch: Fetch;
  /** A person reads standard error, so that a line of it may be drawn anew. */
  readonly errorIsTerminal: boolean;
  /** Of standard output, where a person reads it. */
  readonly terminal: { readonly rows: number; readonly columns: number } | undefined;
  print(text: string): void;
  printError(text: string): void;
  /** Ends when the person has had enough. */
  readonly signal: AbortSignal;
}

export interface Call<Flags> extends Surroundings {
  readonly client: CoordinatorClient;
  readonly operands: readonly string[];
  readonly flags: Flags;
  readonly json: boolean;
}

export interface CommandDefinition<S extends z.ZodObject> {
  readonly about: string;
  /** As they are written: `MODEL VERSION`; in brackets what may be left out; the last with `…` where there may be more. */
  readonly operands: string;
  /** A boolean is a switch, anything else takes a text. */
  readonly flags: S;
  run(call: Call<z.output<S>>): Promise<Result<Answer>>;
}

export type Command = CommandDefinition<z.ZodObject>;

export function defineCommand<S extends z.ZodObject>(definition: CommandDefinition<S>): Command {
  return definition as unknown as Command;
}
