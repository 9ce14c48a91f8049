// All commands, in the order in which `skerry --help` lists them.

import { collectionCommands } from './collection-commands.ts';
import type { Command } from './command.ts';
import { fleetCommands } from './fleet-commands.ts';
import { learnCommands } from './learn-commands.ts';
import { libraryCommands } from './library-commands.ts';
import { modelCommands } from './model-commands.ts';
import { queryCommands } from './query-command.ts';
import { rolloutCommands } from './rollout-commands.ts';

export const commands: Readonly<Record<string, Command>> = {
  ...modelCommands,
  ...rolloutCommands,
  ...learnCommands,
  ...queryCommands,
  ...collectionCommands,
  ...fleetCommands,
  ...libraryCommands,
};
