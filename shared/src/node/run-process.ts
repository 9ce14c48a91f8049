// The life of a Skerry process: `--help`, configuration, start, wait for a signal, close in the reverse of the order in
// which things were opened, and an exit code that says how it went.

import { once } from 'node:events';
import { z } from 'zod';
import { sleep } from '../clock.ts';
import { describeConfig, redactConfig } from '../config.ts';
import { failure, messageOf } from '../failure.ts';
import type { Log } from '../log.ts';
import { err, type Result } from '../result.ts';
import { loadProcessConfig } from './load-process-config.ts';
import { createLog, logLevels } from './pino-log.ts';
import { systemClock } from './system-clock.ts';

const exitCodes = { ok: 0, failed: 1, badConfig: 2 } as const;
const closeTimeoutMs = 10_000;

/** What has been opened, to be closed in reverse. */
export type Opened = (() => Promise<unknown> | unknown)[];

/** The config key that every process has. */
export const logLevelSchema = z
  .enum(logLevels)
  .default('info')
  .describe('least level that is logged');

export interface ProcessDefinition<S extends z.ZodObject> {
  readonly name: string;
  readonly schema: S;
  /** Opens all that the process is, and notes in `opened` how each part closes. */
  readonly start: (config: z.output<S>, log: Log, opened: Opened) => Promise<Result<void>>;
}

/** Ends the process: 0 after a signal, 1 when it could not start or not close cleanly, 2 for a bad configuration. */
export async function runProcess<S extends z.ZodObject<{ logLevel: typeof logLevelSchema }>>(
  definition: ProcessDefinition<S>,
): Promise<never> {
  const { name, schema, start } = definition;
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(`${name} [--config FILE] [--key value]…\n\n${describeConfig(schema)}\n`);
    process.exit(exitCodes.ok);
  }
  const config = loadProcessConfig(schema, argv, process.env);
  if (!config.ok) {
    process.stderr.write(`${name}: ${config.error.message}\n`);
    process.exit(exitCodes.badConfig);
  }
  const log = createLog(name, (config.value as { logLevel: (typeof logLevels)[number] }).logLevel);
  log.debug({ config: JSON.stringify(redactConfig(schema, config.value)) }, 'configuration');
  const opened: Opened = [];
  const stopped = untilSignal(log);
  // A start that hangs or throws must not make the process deaf.
  const starting = start(config.value, log, opened).catch((thrown) =>
    err(failure('unavailable', messageOf(thrown))),
  );
  const started = await Promise.race([starting, stopped]);
  if (started?.ok) await stopped;
  else if (started)
    log.error({ code: started.error.code, reason: started.error.message }, 'cannot start');
  const closed = await closeAll(opened, log);
  process.exit(started?.ok !== false && closed ? exitCodes.ok : exitCodes.failed);
}

/** Resolves at the first signal; a second one ends the process at once. */
async function untilSignal(log: Log): Promise<undefined> {
  const [signal] = await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  log.info({ signal: String(signal) }, 'stopping');
  for (const again of ['SIGTERM', 'SIGINT'] as const)
    process.once(again, () => process.exit(exitCodes.failed));
  return undefined;
}

/** False where something did not close in time, or not cleanly; the rest is closed all the same. */
async function closeAll(opened: Opened, log: Log): Promise<boolean> {
  const closing = async (): Promise<boolean> => {
    let clean = true;
    for (const close of opened.reverse())
      try {
        await close();
      } catch (thrown) {
        clean = false;
        log.error({ reason: messageOf(thrown) }, 'did not close cleanly');
      }
    return clean;
  };
  const overdue = sleep(systemClock, closeTimeoutMs).then(() => {
    log.error({ closeTimeoutMs }, 'did not close in time');
    return false;
  });
  return Promise.race([closing(), overdue]);
}
