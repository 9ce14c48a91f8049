// The production log: one JSON object a line on stdout, by pino.

import { pino } from 'pino';
import type { Log } from '../log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

const redactedPaths = ['password', 'token', 'secret', 'authorization', 'payload', 'data'];

export function createLog(name: string, level: (typeof logLevels)[number]): Log {
  return pino({ name, level, redact: redactedPaths, timestamp: pino.stdTimeFunctions.isoTime });
}
