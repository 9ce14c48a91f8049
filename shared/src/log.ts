// The log's port. Lines are structured: a message for grep, fields for machines.
// Fields never hold payloads or secrets; the production adapter (node/pino-log.ts) redacts what slips through.

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
