import { setImmediate as settled } from 'node:timers/promises';
import { createRandom, exchangeOpsMax, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { buildExchange } from './build-exchange.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import {
  type Exchange,
  epochsBackMax,
  type Message,
  protocolVersion,
  type Reply,
} from './messages.ts';
import { byKind } from './op-kinds.ts';
import { createSession, type SessionPorts } from './session.ts';
import { nextExchangeMinMs, pauseMaxMs } from './session-state.ts';
import { createMemoryDeviceDisk, createMemoryDeviceStore } from './testing/memory-device-store.ts';
import { createMemoryPipe } from './testing/memory-pipe.ts';
import {
  sampleAcks,
  sampleAnswer,
  sampleEscalation,
  sampleReply,
  sampleStatus,
} from './testing/samples.ts';

const status = sampleStatus();
const statusIntervalMs = 5_000;

const answerAt = (position: number) => ({
  position,
  atMs: 0,
  body: sampleAnswer(`r${position}`),
});

/** A session whose coordinator is the test: it reads `exchanges` and replies by hand. */
async function start(more: Partial<SessionPorts> = {}) {
  const clock = createVirtualClock();
  const pipe = createMemoryPipe(clock);
  const coordinator = pipe.listen();
  const store = createMemoryDeviceStore(createMemoryDeviceDisk('device-1', 'epoch-1'));
  const exchanges: Exchange[] = [];
  const applied: number[] = [];
  coordinator.onMessage((_, bytes) => {
    const message = decodeMessage(bytes);
    if (!message.ok || message.value.type !== 'exchange') throw new Error('not an exchange');
    exchanges.push(message.value);
  });
  const advance = async (ms: number): Promise<void> => {
    const untilMs = clock.nowMs() + ms;
    do await settled();
    while (clock.runNext(untilMs));
  };
  const say = async (message: Message): Promise<void> => {
    const bytes = encodeMessage(message);
    if (!bytes.ok) throw new Error(bytes.error.message);
    await coordinator.send('device-1', bytes.value);
    await advance(0);
  };
  const session = createSession({
    store,
    transport: pipe.connect('device-1'),
    clock,
    random: createRandom(1),
    log: silentLog,
    effect: () => undefined,
    onApplied: (ops) => applied.push(...ops.map((op) => op.position)),
    ...more,
  });
  const append = (id: string): void => {
    expect(store.append(sampleEscalation(id), 0).ok).toBe(true);
    session.notifyAppended();
  };
  /** Replies to the Exchange that came last. */
  const reply = async (more: Partial<Reply> = {}): Promise<void> => {
    await advance(0);
    await say(sampleReply({ exchangeId: exchanges.at(-1)?.exchangeId ?? 'none', ...more }));
  };
  await advance(0);
  return { clock, pipe, store, session, exchanges, applied, advance, say, append, reply };
}

const requests = (exchange: Exchange | undefined) =>
  exchange?.ops.map(({ body }) => (body.kind === 'escalation' ? body.requestId : body.kind));

describe('session', () => {
  it('[SES2] exchanges at once when connected, with nothing to send', async () => {
    const { exchanges } = await start();
    expect(exchanges).toMatchObject([{ device: 'device-1', cursor: 0, ops: [], more: false }]);
  });

  it('[EXC1] sends from the oldest unacknowledged op on, with the cursor', async () => {
    const { exchanges, append, reply, applied } = await start();
    append('a');
    append('b');
    await reply({ ops: [answerAt(7)] });
    expect(requests(exchanges[1])).toEqual(['a', 'b']);
    expect(exchanges[1]?.cursor).toBe(7);
    expect(applied).toEqual([7]);
    append('c');
    await reply({ acks: sampleAcks(1) });
    expect(exchanges).toHaveLength(2); // [SES7] b was carried and not acknowledged.
  });

  it('[EXC2] keeps to the bound of ops and says that there are more', async () => {
    const { exchanges, append, reply, store } = await start();
    for (let i = 0; i < exchangeOpsMax + 5; i++) append(`r${i}`);
    await reply();
    expect(exchanges[1]).toMatchObject({ more: true });
    expect(exchanges[1]?.ops).toHaveLength(exchangeOpsMax);
    await reply({ acks: sampleAcks(exchangeOpsMax) });
    expect(exchanges[2]).toMatchObject({ more: false });
    expect(exchanges[2]?.ops).toHaveLength(5);
    await reply({ acks: sampleAcks(exchangeOpsMax + 5) });
    expect(store.position().ops).toBe(0);
    expect(exchanges).toHaveLength(3);
  });

  it('[EXC2] keeps to the bound of bytes', async () => {
    const { exchanges, store, session, reply } = await start();
    for (const id of ['a', 'b', 'c']) store.append(sampleEscalation(id, 40_000), 0);
    session.notifyAppended();
    await reply();
    expect(requests(exchanges[1])).toEqual(['a', 'b']);
    expect(exchanges[1]?.more).toBe(true);
  });

  it('[EXC3] sends a status at most every interval', async () => {
    let asked = 0;
    const { exchanges, append, reply, advance } = await start({
      status: () => {
        asked++;
        return status;
      },
      statusIntervalMs,
    });
    await reply();
    append('a');
    await reply({ acks: sampleAcks(1), nextExchangeMs: statusIntervalMs });
    expect(exchanges).toHaveLength(2);
    expect(asked).toBe(1);
    await advance(statusIntervalMs);
    expect(exchanges.at(-1)?.status).toMatchObject(status);
    expect(exchanges.filter((e) => e.status !== undefined)).toHaveLength(2);
  });

  it('[LAN6] tells the drops and the quarantine with each status', async () => {
    const { exchanges } = await start({ status: () => status });
    const none = { expired: 0, evicted: 0, overBudget: 0 };
    expect(exchanges[0]?.status?.sync).toEqual({
      drops: byKind(none),
      quarantined: 0,
    });
  });

  it('[EXC5] says what is left of a deadline when it sends, at each try', async () => {
    const { exchanges, append, advance } = await start();
    append('a'); // With 100 ms left, while the first Exchange is under way.
    const leftMs = () =>
      exchanges.flatMap(({ ops }) =>
        ops.map(({ body }) => (body.kind === 'escalation' ? body.deadlineLeftMs : undefined)),
      );
    await advance(4_000);
    expect(leftMs().length).toBeGreaterThan(0);
    expect(new Set(leftMs())).toEqual(new Set([0]));
  });

  it('[EXC5] takes nothing off where the clock was set back, and what waited where it ran', () => {
    const store = createMemoryDeviceStore(createMemoryDeviceDisk('device-1', 'epoch-1'));
    store.append(sampleEscalation('a'), 1_000);
    const at = (nowMs: number) => buildExchange(store, { exchangeId: 'x', nowMs }).ops[0]?.body;
    expect(at(1_030)).toMatchObject({ deadlineLeftMs: 70 });
    expect(at(0)).toMatchObject({ deadlineLeftMs: 100 });
  });

  it('[SES11] counts a timeout as a loss, forgets it with replies, and not a connection that went', async () => {
    const { session, reply, advance, pipe } = await start();
    const lost = () => session.link().lossShare ?? Number.NaN;
    await reply({ nextExchangeMs: 1_000 });
    pipe.setLink('device-1', false);
    pipe.setLink('device-1', true);
    await advance(0);
    expect(lost()).toBe(0);
    await advance(60_000); // Nobody replies.
    const worst = lost();
    expect(worst).toBeGreaterThan(0.1);
    await reply({ nextExchangeMs: 60_000 });
    expect(lost()).toBeLessThan(worst);
  });

  it('[PAU1] [PAU2] sends no ops during a pause, however much is appended, and all after it', async () => {
    const { exchanges, append, reply, say, advance, session } = await start();
    append('a');
    await reply({ pauseMs: 10_000, nextExchangeMs: 60_000 });
    append('b');
    await advance(9_000);
    expect(exchanges).toHaveLength(1);
    expect(session.link().state).toBe('stalled');
    await say({ v: protocolVersion, type: 'hint' });
    expect(exchanges[1]).toMatchObject({ ops: [], more: true });
    await reply();
    await advance(7_000);
    expect(requests(exchanges.at(-1))).toEqual(['a', 'b']);
    await reply({ acks: sampleAcks(2) });
    expect(session.link().state).toBe('up');
  });

  it('[PAU1] pauses no longer than the bound and its half', async () => {
    const { exchanges, append, reply, advance } = await start();
    append('a');
    await reply({ pauseMs: 1e12, nextExchangeMs: 1e12 });
    await advance(1.5 * pauseMaxMs);
    expect(requests(exchanges.at(-1))).toEqual(['a']);
  });

  it('[QUA2] tries an effect that throws again, then goes on without it', async () => {
    const tries: number[] = [];
    const { applied, reply, store, advance, exchanges } = await start({
      effect({ position }) {
        tries.push(position);
        if (position < 3) throw new Error('poison');
      },
    });
    while (store.position().cursor < 3 && exchanges.length < 20) {
      await reply({ ops: [answerAt(1), answerAt(2), answerAt(3)] });
      await advance(60_000);
    }
    expect(applied).toEqual([3]);
    expect(store.position()).toMatchObject({ cursor: 3, quarantined: 2 });
    expect(tries.filter((position) => position === 2)).toHaveLength(3);
  });

  it('[EPO3] takes a new epoch at the word on the Exchange in flight, and on no other', async () => {
    const { exchanges, append, reply, say, store } = await start();
    append('a');
    await say(sampleReply({ exchangeId: 'older', newEpoch: true }));
    expect(store.position().epoch).toBe('epoch-1');
    await reply();
    await reply({ newEpoch: true });
    expect(store.position().epoch).not.toBe('epoch-1');
    expect(exchanges.at(-1)).toMatchObject({ epoch: store.position().epoch, ops: [{ seq: 2 }] });
  });

  it('[EPO2] names few epochs in one Exchange, the oldest first', () => {
    const disk = createMemoryDeviceDisk('device-1', '');
    let epochs = 0;
    const boot = () => createMemoryDeviceStore(disk, undefined, () => `epoch-${++epochs}`);
    for (let i = 0; i < 20; i++) boot().append(sampleEscalation(`r${i}`), 0);
    const { ops, more } = buildExchange(boot(), { exchangeId: 'x' });
    expect(ops.map((op) => op.epoch)).toEqual(
      Array.from({ length: epochsBackMax }, (_, i) => `epoch-${i + 1}`),
    );
    expect(more).toBe(true);
  });

  it('[EXC4] leaves out a status that cannot be sent', async () => {
    const { exchanges } = await start({
      status: () => ({ ...status, queue: { ops: Number.NaN, bytes: 0 } }),
    });
    expect(exchanges).toHaveLength(1);
    expect(exchanges[0]?.status).toBeUndefined();
  });

  it('[SES1] has one Exchange in flight, however much is appended', async () => {
    const { exchanges, append, advance } = await start();
    for (let i = 0; i < 20; i++) append(`r${i}`);
    await advance(500);
    expect(exchanges).toHaveLength(1);
  });

  it('[SES4] idle: an append or a hint exchanges at once', async () => {
    const { exchanges, append, reply, say } = await start();
    await reply();
    await say({ v: protocolVersion, type: 'hint' });
    expect(exchanges).toHaveLength(2);
    await reply();
    append('a');
    await reply({ acks: sampleAcks(1) });
    expect(requests(exchanges[2])).toEqual(['a']);
  });

  it('[SES8] idle: exchanges when the coordinator said, and not before', async () => {
    const { exchanges, reply, advance } = await start();
    await reply({ nextExchangeMs: 7_000 });
    await advance(6_999);
    expect(exchanges).toHaveLength(1);
    await advance(1);
    expect(exchanges).toHaveLength(2);
  });

  it('[SES5] asks again when no reply comes, with the same ops and another id', async () => {
    const { exchanges, append, reply, advance } = await start();
    append('a');
    await reply();
    await advance(10_000);
    expect(exchanges.length).toBeGreaterThan(2);
    expect(requests(exchanges[2])).toEqual(['a']);
    expect(new Set(exchanges.map((e) => e.exchangeId)).size).toBe(exchanges.length);
  });

  it('[INB5] applies a late reply, and goes on awaiting the one in flight', async () => {
    const { exchanges, store, append, advance, say, applied } = await start();
    append('a');
    await advance(10_000);
    const count = exchanges.length;
    const late = {
      exchangeId: exchanges[1]?.exchangeId ?? '',
      acks: sampleAcks(1),
      ops: [answerAt(1)],
    };
    await say(sampleReply(late));
    await say(sampleReply(late));
    expect(applied).toEqual([1]);
    expect(store.position()).toMatchObject({ ops: 0, cursor: 1 });
    expect(exchanges).toHaveLength(count);
  });

  it('[INB4] ignores a reply of another device, acks of another epoch, and ops beyond a gap', async () => {
    const { store, session, append, reply, advance, applied } = await start();
    append('a');
    await reply({ exchangeId: 'x', acks: sampleAcks(9, 'another'), after: 3, ops: [answerAt(1)] });
    await reply({ device: 'device-2', acks: sampleAcks(9), ops: [answerAt(1)] });
    expect(applied).toEqual([]);
    expect(store.position()).toMatchObject({ ops: 1, cursor: 0 });
    await advance(1_001);
    expect(session.link().state).toBe('stalled'); // It still awaits its own.
  });

  it('[SES7] does not loop when the disk refuses the reply', async () => {
    const disk = createMemoryDeviceStore(createMemoryDeviceDisk('device-1', 'epoch-1'));
    const { exchanges, reply, session } = await start({
      store: {
        ...disk,
        apply: () => ({
          ok: false,
          error: { code: 'storage_failed', message: 'full', retryable: true },
        }),
      },
    });
    await reply({ ops: [answerAt(1)], more: true });
    expect(exchanges).toHaveLength(1);
    expect(session.link().state).toBe('stalled');
  });

  it('[SES7] does not loop when more is promised and nothing brought', async () => {
    const { exchanges, reply } = await start();
    await reply({ more: true });
    expect(exchanges).toHaveLength(1);
  });

  it('[SES9] tells the link as routing needs it', async () => {
    const { pipe, session, reply, advance } = await start();
    expect(session.link()).toMatchObject({ state: 'up' });
    await advance(1_001);
    expect(session.link()).toMatchObject({ state: 'stalled' });
    await reply();
    expect(session.link()).toMatchObject({ state: 'up', rttMs: 1_001 });
    pipe.setLink('device-1', false);
    expect(session.link()).toMatchObject({ state: 'down', rttMs: 1_001 });
  });

  it('[SES10] a closed session sends and applies nothing', async () => {
    const { exchanges, session, append, reply, advance, applied } = await start();
    session.close();
    append('a');
    await reply({ ops: [answerAt(1)] });
    await advance(10 * nextExchangeMinMs);
    expect(applied).toEqual([]);
    expect(exchanges).toHaveLength(1);
  });

  it('[COD7] a message that is none changes nothing', async () => {
    const { pipe, exchanges, reply, advance } = await start();
    await pipe.listen().send('device-1', Uint8Array.of(255, 0, 1));
    await advance(0);
    expect(exchanges).toHaveLength(1);
    await reply();
  });
});
