// The versions of the protocol that this build speaks: the current one, and two back. A message is checked in its
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

/** What an old device takes in the place of what it does not know, so that its cursor goes on. */
const noQuestion = 'not for this agent';

/** A status does not tell which deltas are read: what is sent then is the file itself. */
const versionFour: Dialect = {
  toWire: (message) =>
    message.type === 'exchange' && message.status !== undefined
      ? { ...message, status: withoutDeltas(message.status) }
      : message,
  fromWire: (wire) => wire,
};

/**
 * Without learning and without questions in words: what goes up of them goes as telemetry without values, which is of the
 * same lane; what comes down as an answer that nobody waits for; and a status does not tell what could be learned from.
 */
const versionThree: Dialect = {
  toWire(message) {
    switch (message.type) {
      case 'exchange': {
        const { status } = message;
        return {
          ...message,
          ops: message.ops.map((op) => ({ ...op, body: unknownUp(op.body) })),
          ...(status === undefined ? {} : { status: withoutLearning(withoutDeltas(status)) }),
        };
      }
      case 'reply':
        return {
          ...message,
          ops: message.ops.map((op) => ({ ...op, body: unknownDown(op.body) })),
        };
      default:
        return message;
    }
  },
  fromWire: (wire) => wire,
};

const unknownUp = (body: UpBody): UpBody =>
  body.kind === 'learn-reply' || body.kind === 'question'
    ? { kind: 'telemetry', values: {} }
    : body;

const unknownDown = (body: DownBody): DownBody =>
  body.kind === 'learn-task' || body.kind === 'said'
    ? {
        kind: 'answer',
        requestId: noQuestion,
        outcome: { kind: 'failed', code: 'unsupported_version', message: 'this agent is too old' },
      }
    : body;

const withoutLearning = ({ learn: _, ...status }: DeviceStatus): DeviceStatus => status;

const withoutDeltas = ({ deltas: _, ...status }: DeviceStatus): DeviceStatus => status;

export const spokenDialects: Dialects = new Map([
  [3, versionThree],
  [4, versionFour],
  [5, asIs],
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
