// Bugs that the world must catch, one at least for each thing that must never happen: a simulator that passes everything
// proves nothing.

import {
  type CoordinatorStore,
  decodeMessage,
  encodeMessage,
  laneOf,
  protocolVersion,
  type Reply,
} from '@skerry/sync-protocol';
import type { MemoryDeviceDisk } from '@skerry/sync-protocol/testing';
import { sampleReply } from '@skerry/sync-protocol/testing';
import type { TransportWrapper } from './simulated-agent.ts';

export interface Bug {
  /** What it breaks. */
  readonly rule: string;
  readonly wrapTransport?: TransportWrapper;
  readonly wrapStore?: (store: CoordinatorStore) => CoordinatorStore;
  /** Before a disk is opened again. */
  readonly onOpen?: (disk: MemoryDeviceDisk) => void;
  /** How much more an outbox holds than it should. */
  readonly boundsFactor?: number;
}

/** Takes the pipe's word for delivery: forgets ops once they are sent. Breaks [OUT3]. */
const deleteOnSend: TransportWrapper = (transport, store) => ({
  ...transport,
  async send(bytes) {
    const sent = await transport.send(bytes);
    const message = decodeMessage(bytes);
    if (sent.ok && message.ok && message.value.type === 'exchange') {
      const { device, epoch, ops } = message.value;
      const lane = 'urgent' as const;
      const acks = ops.map((op) => ({ epoch: op.epoch ?? epoch, lane, seq: op.seq })).slice(-1);
      store.apply(sampleReply({ device, epoch, acks }), () => undefined);
    }
    return sent;
  },
});

const changeReplies =
  (change: (reply: Reply) => Reply): TransportWrapper =>
  (transport) => ({
    ...transport,
    onMessage: (listener) =>
      transport.onMessage((bytes) => {
        const message = decodeMessage(bytes);
        const isReply = message.ok && message.value.type === 'reply';
        const changed = isReply ? encodeMessage(change(message.value)) : undefined;
        listener(changed?.ok ? changed.value : bytes);
      }),
  });

/** Has every op told apart by the message that brought it. Breaks [ACC1]. */
const acceptTwice = (store: CoordinatorStore): CoordinatorStore => {
  let messages = 0;
  return {
    ...store,
    async accept(exchange, nowMs) {
      const { epoch } = exchange;
      const renamed = `${messages++}`;
      const ops = exchange.ops.map(({ epoch: _, ...op }) => op);
      const accepted = await store.accept({ ...exchange, epoch: renamed, ops }, nowMs);
      if (!accepted.ok) return accepted;
      const acks = exchange.ops.map((op) => {
        return { epoch: op.epoch ?? epoch, lane: laneOf(op.body), seq: op.seq };
      });
      const last = new Map(acks.map((ack) => [`${ack.lane}/${ack.epoch}`, ack]));
      return { ok: true, value: { ...accepted.value, acks: [...last.values()] } };
    },
  };
};

/** Answers each message with an Exchange more. Breaks [SES7]. */
const neverRests: TransportWrapper = (transport) => ({
  ...transport,
  onMessage: (listener) =>
    transport.onMessage((bytes) => {
      const hint = encodeMessage({ v: protocolVersion, type: 'hint' });
      listener(bytes);
      if (hint.ok) listener(hint.value);
    }),
});

export const plantedBugs = {
  deleteOnSend: { rule: 'NEV1', wrapTransport: deleteOnSend },
  acceptTwice: { rule: 'NEV2', wrapStore: acceptTwice },
  /** Moves the cursor past an answer that it has not applied. */
  skipAnAnswer: {
    rule: 'NEV3',
    wrapTransport: changeReplies((reply) => ({ ...reply, ops: reply.ops.slice(-1) })),
  },
  noBound: { rule: 'NEV4', boundsFactor: 4 },
  forgetCursor: {
    rule: 'NEV5',
    onOpen(disk) {
      disk.cursor = 0;
    },
  },
  neverRests: { rule: 'NEV6', wrapTransport: neverRests },
} as const satisfies Record<string, Bug>;
export type PlantedBug = keyof typeof plantedBugs;
