// Bugs that the world must catch: a simulator that passes everything proves nothing.

import { decodeMessage } from '@skerry/sync-protocol';
import { sampleAcks, sampleReply } from '@skerry/sync-protocol/testing';
import type { TransportWrapper } from './simulated-agent.ts';

/** Takes the pipe's word for delivery: forgets ops once they are sent. Breaks [OUT3]. */
const deleteOnSend: TransportWrapper = (transport, store) => ({
  ...transport,
  async send(bytes) {
    const sent = await transport.send(bytes);
    const message = decodeMessage(bytes);
    if (sent.ok && message.ok && message.value.type === 'exchange') {
      const { device, epoch, ops } = message.value;
      const forged = sampleReply({ device, epoch, acks: sampleAcks(ops.at(-1)?.seq ?? 0, epoch) });
      store.apply(forged, () => undefined);
    }
    return sent;
  },
});

export const plantedBugs = { deleteOnSend };
export type PlantedBug = keyof typeof plantedBugs;
