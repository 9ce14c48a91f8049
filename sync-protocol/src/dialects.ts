// The versions of the protocol that this build speaks: the current one, and one back. A message is checked in its
// current form; a dialect turns it into what its version puts on the wire, and back. An optional field makes a new
// version too, for who does not know it refuses the message. [COD4]

import type { DeviceStatus, DownBody, Message, UpBody } from './messages.ts';

export interface Dialect {
  toWire(message: Message): unknown;
  /** What the schema then checks. Gets what a peer has sent; must not throw. */
  fromWire(wire: unknown): unknown;
}

/** By version. */
export type Dialects = ReadonlyMap<number, Dialect>;

const asIs: Dialect = { toWire: (message) => message, fromWire: (wire) => wire };

/** What an old device takes in a task's place, so that its cursor goes on: an answer that nobody waits for. */
const noQuestion = 'a learning task';

/**
 * Without learning: a reply goes as telemetry without values, which is of the same lane; a task as an answer to a
 * question that nobody asked; and a status does not tell what could be learned from.
 */
const versionThree: Dialect = {
  toWire(message) {
    switch (message.type) {
      case 'exchange': {
        const { status } = message;
        return {
          ...message,
          ops: message.ops.map((op) => ({ ...op, body: withoutReply(op.body) })),
          ...(status === undefined ? {} : { status: withoutLearning(status) }),
        };
      }
      case 'reply':
        return {
          ...message,
          ops: message.ops.map((op) => ({ ...op, body: withoutTask(op.body) })),
        };
      default:
        return message;
    }
  },
  fromWire: (wire) => wire,
};

const withoutReply = (body: UpBody): UpBody =>
  body.kind === 'learn-reply' ? { kind: 'telemetry', values: {} } : body;

const withoutTask = (body: DownBody): DownBody =>
  body.kind === 'learn-task'
    ? {
        kind: 'answer',
        requestId: noQuestion,
        outcome: { kind: 'failed', code: 'unsupported_version', message: 'this agent is too old' },
      }
    : body;

const withoutLearning = ({ learn: _, ...status }: DeviceStatus): DeviceStatus => status;

export const spokenDialects: Dialects = new Map([
  [3, versionThree],
  [4, asIs],
]);

export const newestOf = (dialects: Dialects): number => Math.max(...dialects.keys());
export const oldestOf = (dialects: Dialects): number => Math.min(...dialects.keys());

/** The newest version that both speak, where there is one. [VER2] */
export function commonVersion(
  dialects: Dialects,
  peer: { readonly v: number; readonly oldest: number },
): number | undefined {
  const both = [...dialects.keys()].filter((v) => v <= peer.v && v >= peer.oldest);
  return both.length === 0 ? undefined : Math.max(...both);
}
