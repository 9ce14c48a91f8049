// The versions of the protocol that this build speaks: the current one, and one back. A message is checked in its
// current form; a dialect turns it into what its version puts on the wire, and back. An optional field makes a new
// version too, for who does not know it refuses the message. [COD4]

import type { DeviceStatus, Message, UpBody } from './messages.ts';

export interface Dialect {
  toWire(message: Message): unknown;
  /** What the schema then checks. Gets what a peer has sent; must not throw. */
  fromWire(wire: unknown): unknown;
}

/** By version. */
export type Dialects = ReadonlyMap<number, Dialect>;

const asIs: Dialect = { toWire: (message) => message, fromWire: (wire) => wire };

/**
 * Without `audit`, which makes it an escalation like another, whose answer nobody waits for; without an input's blob, which
 * leaves it without bytes, so that it is answered `failed`; and without counts of models.
 */
const versionOne: Dialect = {
  toWire(message) {
    if (message.type !== 'exchange') return message;
    const { status } = message;
    return {
      ...message,
      ops: message.ops.map((op) => ({ ...op, body: asVersionOne(op.body) })),
      ...(status === undefined ? {} : { status: withoutModelCounts(status) }),
    };
  },
  fromWire: (wire) => wire,
};

const withoutModelCounts = (status: DeviceStatus): DeviceStatus => ({
  ...status,
  models: status.models.map(({ counts: _, ...rest }) => rest),
});

function asVersionOne(body: UpBody): UpBody {
  if (body.kind !== 'escalation') return body;
  const { audit: _, input, ...rest } = body;
  const { blob: __, ...inline } = input;
  return { ...rest, input: inline };
}

export const spokenDialects: Dialects = new Map([
  [1, versionOne],
  [2, asIs],
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
