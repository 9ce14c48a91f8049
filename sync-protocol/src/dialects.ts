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

type BodyKind = (UpBody | DownBody)['kind'];
const sinceFive: readonly BodyKind[] = ['turn', 'forget'];
const sinceFour: readonly BodyKind[] = ['learn-reply', 'learn-task', 'question', 'said'];

/**
 * What it does not know goes up as telemetry without values, which is of the same lane, and comes down as an answer that
 * nobody waits for.
 */
const lacking = (
  kinds: readonly BodyKind[],
  statusOf: (status: DeviceStatus) => DeviceStatus,
): Dialect => ({
  toWire(message) {
    switch (message.type) {
      case 'exchange': {
        const { status } = message;
        const body = (told: UpBody): UpBody => (kinds.includes(told.kind) ? nothingUp : told);
        return {
          ...message,
          ops: message.ops.map((op) => ({ ...op, body: body(op.body) })),
          ...(status === undefined ? {} : { status: statusOf(status) }),
        };
      }
      case 'reply': {
        const body = (told: DownBody): DownBody => (kinds.includes(told.kind) ? nothingDown : told);
        return { ...message, ops: message.ops.map((op) => ({ ...op, body: body(op.body) })) };
      }
      default:
        return message;
    }
  },
  fromWire: (wire) => wire,
});

const nothingUp: UpBody = { kind: 'telemetry', values: {} };
const nothingDown: DownBody = {
  kind: 'answer',
  requestId: noQuestion,
  outcome: { kind: 'failed', code: 'unsupported_version', message: 'this agent is too old' },
};

const withoutLearning = ({ learn: _, ...status }: DeviceStatus): DeviceStatus => status;

/** What is sent then is the file itself. */
const withoutDeltas = ({ deltas: _, ...status }: DeviceStatus): DeviceStatus => status;

export const spokenDialects: Dialects = new Map([
  [3, lacking([...sinceFour, ...sinceFive], (status) => withoutLearning(withoutDeltas(status)))],
  [4, lacking(sinceFive, withoutDeltas)],
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
