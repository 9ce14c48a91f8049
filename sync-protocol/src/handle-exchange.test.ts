import { setImmediate as settled } from 'node:timers/promises';
import { err, failure, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from './codec.ts';
import {
  createExchangeHandler,
  type ExchangeHandlerConfig,
  serveExchanges,
} from './handle-exchange.ts';
import type { Exchange, Reply } from './messages.ts';
import type { CoordinatorStore } from './ports.ts';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
} from './testing/memory-coordinator-store.ts';
import { createMemoryPipe } from './testing/memory-pipe.ts';
import { sampleAcks, sampleAnswer, sampleExchange, sampleUpOp } from './testing/samples.ts';

function start(
  config: Partial<ExchangeHandlerConfig> = {},
  store: CoordinatorStore = createMemoryCoordinatorStore(createMemoryCoordinatorDisk()),
) {
  const clock = createVirtualClock();
  const accepted: string[] = [];
  const hints: string[] = [];
  const handler = createExchangeHandler(
    {
      store,
      clock,
      onAccepted: (device, fresh) => accepted.push(...fresh.map((op) => `${device}:${op.seq}`)),
      hint: (device) => hints.push(device),
    },
    config,
  );
  const replies: Reply[] = [];
  /** Hands an Exchange in; its reply lands in `replies`. */
  const exchange = async (more: Partial<Exchange>): Promise<void> => {
    const sent = sampleExchange(more);
    const bytes = encodeMessage(sent);
    if (!bytes.ok) throw new Error(bytes.error.message);
    void handler.handle(sent.device, bytes.value).then((reply) => {
      const message = reply.ok ? decodeMessage(reply.value) : reply;
      if (!message.ok || message.value.type !== 'reply') throw new Error('not a reply');
      replies.push(message.value);
    });
    await settled();
  };
  const answer = async (requestId: string, device = 'device-1'): Promise<void> => {
    await store.appendDown(device, sampleAnswer(requestId), 0);
    handler.news(device);
    await settled();
  };
  const advance = async (ms: number): Promise<void> => {
    clock.runNext(clock.nowMs() + ms);
    await settled();
  };
  return { handler, accepted, hints, replies, exchange, answer, advance };
}

const positions = (reply: Reply | undefined) => reply?.ops.map((op) => op.position);

describe('exchange handler', () => {
  it('[REP1] acknowledges what is durable and brings what is after the cursor', async () => {
    const { accepted, replies, exchange, answer } = start({ holdMs: 0 });
    await exchange({ ops: [sampleUpOp(1), sampleUpOp(2)] });
    await answer('r1');
    await exchange({ exchangeId: 'x2', ops: [sampleUpOp(2), sampleUpOp(3)] });
    await answer('r2');
    await exchange({ exchangeId: 'x3', cursor: 1 });
    expect(replies).toMatchObject([
      { exchangeId: 'x1', epoch: 'epoch-1', acks: sampleAcks(2), ops: [], nextExchangeMs: 30_000 },
      { exchangeId: 'x2', acks: sampleAcks(3) },
      { exchangeId: 'x3', acks: sampleAcks(3) },
    ]);
    expect(replies.map(positions)).toEqual([[], [1], [2]]);
    expect(accepted).toEqual(['device-1:1', 'device-1:2', 'device-1:3']);
  });

  it('[REP1] no ack and no further word when the store fails', async () => {
    const store = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
    const broken = { ...store, accept: async () => err(failure('storage_failed', 'disk full')) };
    const { handler, accepted } = start({}, broken);
    const bytes = encodeMessage(sampleExchange({ ops: [sampleUpOp(1)] }));
    if (!bytes.ok) throw new Error(bytes.error.message);
    expect(await handler.handle('device-1', bytes.value)).toMatchObject({
      error: { code: 'storage_failed' },
    });
    expect(accepted).toEqual([]);
  });

  it('[REP2] refuses an Exchange in another device’s name', async () => {
    const { handler } = start();
    const bytes = encodeMessage(sampleExchange({ device: 'device-2' }));
    expect(bytes.ok && (await handler.handle('device-1', bytes.value))).toMatchObject({
      error: { code: 'malformed_message' },
    });
  });

  it('[REP3] holds a reply until all its answers are there', async () => {
    const { hints, replies, exchange, answer } = start();
    await exchange({ ops: [sampleUpOp(1), sampleUpOp(2)] });
    await answer('r1');
    expect(replies).toEqual([]);
    await answer('r2');
    expect(replies.map(positions)).toEqual([[1, 2]]);
    expect(hints).toEqual([]);
  });

  it('[REP3] holds no longer than holdMs', async () => {
    const { replies, exchange, answer, advance } = start({ holdMs: 100 });
    await exchange({ ops: [sampleUpOp(1), sampleUpOp(2)] });
    await answer('r1');
    await advance(99);
    expect(replies).toEqual([]);
    await advance(1);
    expect(replies.map(positions)).toEqual([[1]]);
  });

  it('[REP3] does not hold when nothing is being asked', async () => {
    const { replies, exchange } = start();
    await exchange({});
    expect(replies).toHaveLength(1);
  });

  it('[REP4] a newer Exchange releases the held reply', async () => {
    const { replies, exchange } = start();
    await exchange({ ops: [sampleUpOp(1)] });
    await exchange({ exchangeId: 'x2', ops: [sampleUpOp(1)] });
    expect(replies.map((r) => r.exchangeId).sort()).toEqual(['x1', 'x2']);
  });

  it('[REP4] holds no more replies than its bound', async () => {
    const { handler, replies, exchange } = start({ heldRepliesMax: 1 });
    await exchange({ ops: [sampleUpOp(1)] });
    await exchange({ device: 'device-2', ops: [sampleUpOp(1)] });
    expect(replies.map((r) => r.device)).toEqual(['device-2']);
    handler.close();
    await settled();
    expect(replies.map((r) => r.device)).toEqual(['device-2', 'device-1']);
  });

  it('[REP5] announces what comes later by a Hint', async () => {
    const { hints, exchange, answer, advance } = start({ holdMs: 100 });
    await exchange({ ops: [sampleUpOp(1)] });
    await advance(100);
    await answer('r1');
    expect(hints).toEqual(['device-1']);
  });

  it('[PAU3] asks for a pause beyond its bound, and takes nothing', async () => {
    const { handler, accepted, replies, exchange } = start({ exchangesMax: 1, pauseMs: 7_000 });
    await exchange({ ops: [sampleUpOp(1)] });
    expect(handler.inFlight()).toBe(1);
    await exchange({ device: 'device-2', ops: [sampleUpOp(1)], cursor: 4 });
    expect(replies).toMatchObject([
      { device: 'device-2', acks: [], ops: [], after: 4, pauseMs: 7_000 },
    ]);
    expect(accepted).toEqual(['device-1:1']);
    handler.close();
    await settled();
    await exchange({ device: 'device-2', exchangeId: 'x2' });
    expect(replies.at(-1)).toMatchObject({ device: 'device-2', pauseMs: 0 });
  });

  it('[EPO3] says newEpoch where seqs are behind what was acknowledged', async () => {
    const { replies, exchange } = start({ holdMs: 0 });
    await exchange({ ops: [sampleUpOp(1), sampleUpOp(2)] });
    await exchange({ exchangeId: 'x2', assigned: { urgent: 1, normal: 0, bulk: 0 } });
    expect(replies).toMatchObject([{ acks: sampleAcks(2) }, { acks: [], newEpoch: true }]);
    expect(replies[0]?.newEpoch).toBeUndefined();
  });

  it('[REP6] a bad message gets no reply, and the next one does', async () => {
    const { handler } = start();
    const clock = createVirtualClock();
    const pipe = createMemoryPipe(clock);
    serveExchanges(pipe.listen(), handler, silentLog);
    const device = pipe.connect('device-1');
    let replies = 0;
    device.onMessage(() => replies++);
    const send = async (bytes: Uint8Array): Promise<void> => {
      await device.send(bytes);
      for (let i = 0; i < 4; i++) {
        clock.runNext(clock.nowMs());
        await settled();
      }
    };
    await send(Uint8Array.of(255));
    expect(replies).toBe(0);
    const good = encodeMessage(sampleExchange());
    if (good.ok) await send(good.value);
    expect(replies).toBe(1);
  });

  it('[REP6] an Exchange that meets a bug gets no reply and holds no place; the next one gets its own', async () => {
    const store = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
    const { handler, replies, exchange } = start(
      { exchangesMax: 1 },
      {
        ...store,
        accept: (sent, nowMs) =>
          sent.device === 'poison' ? Promise.reject(new Error('a bug')) : store.accept(sent, nowMs),
      },
    );
    const poison = encodeMessage(sampleExchange({ device: 'poison' }));
    if (!poison.ok) throw new Error(poison.error.message);
    expect(await handler.handle('poison', poison.value)).toMatchObject({
      error: { code: 'internal', message: 'a bug' },
    });
    expect(handler.inFlight()).toBe(0);
    await exchange({});
    expect(replies).toMatchObject([{ device: 'device-1', pauseMs: 0 }]);
  });
});
