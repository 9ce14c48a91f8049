#!/usr/bin/env node
// The coordinator as a process, and the commands beside it. Each is loaded by whoever gives it: the coordinator whole is
// a second of computing.

import type { Result } from '@skerry/shared';
import type { operatorCommands } from './adapters/operator-commands.ts';

type Command = (argv: readonly string[]) => Promise<Result<string>>;
type OperatorCommand = keyof typeof operatorCommands;

const beside = (name: OperatorCommand): Command => {
  return async (argv) =>
    (await import('./adapters/operator-commands.ts')).operatorCommands[name](argv);
};
const commands: Readonly<Record<OperatorCommand | 'tuf', Command>> = {
  token: beside('token'),
  revoke: beside('revoke'),
  operator: beside('operator'),
  'mosquitto-config': beside('mosquitto-config'),
  tuf: async (argv) => (await import('./adapters/trust-commands.ts')).runTrustCommand(argv),
};

const [, , command = '', ...argv] = process.argv;
if (Object.hasOwn(commands, command)) {
  const done = await commands[command as keyof typeof commands](argv);
  if (done.ok) process.stdout.write(`${done.value}\n`);
  else process.stderr.write(`${command}: ${done.error.message}\n`);
  process.exitCode = done.ok ? 0 : 1;
} else {
  const { runProcess } = await import('@skerry/shared/node');
  const { coordinatorConfigSchema } = await import('./config.ts');
  await runProcess({
    name: 'skerry-coordinator',
    schema: coordinatorConfigSchema,
    async start(...opening) {
      const { startCoordinator } = await import('./adapters/start-coordinator.ts');
      return startCoordinator(...opening);
    },
  });
}
