// Versions, shown by a second one that no release has: it calls the cursor by another name.

import { setImmediate as settled } from 'node:timers/promises';
import { createRandom, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { decodeExchangeHead, decodeMessage, encodeMessage } from './codec.ts';
import type { Dialect, Dialects } from './dialects.ts';
import { createExchangeHandler, serveExchanges } from './handle-exchange.ts';
import type { Message } from './messages.ts';
import { laneOf } from './op-kinds.ts';
import { createSession } from './session.ts';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
} from './testing/memory-coordinator-store.ts';
import { createMemoryDeviceDisk, createMemoryDeviceStore } from './testing/memory-device-store.ts';
import { createMemoryPipe } from './testing/memory-pipe.ts';
import {
  sampleEscalation,
  sampleExchange,
  sampleForget,
  sampleLearnReply,
  sampleLearnTask,
  sampleQuestion,
  sampleReply,
  sampleStatus,
  sampleTurn,
} from './testing/samples.ts';

const one: Dialect = { toWire: (message) => message, fromWire: (wire) => wire };
const renamed: Dialect = {
  toWire: ({ ...message }) => {
    if (message.type !== 'exchange') return message;
    const { cursor, ...rest } = message;
    return { ...rest, readUpTo: cursor };
  },
  fromWire(wire) {
    const { readUpTo, ...rest } = wire as Record<string, unknown>;
    return readUpTo === undefined ? rest : { ...rest, cursor: readUpTo };
  },
};

/** The versions in which a device speaks until its op is acknowledged, or for a minute. */
async function versionsSpoken(device: Dialects, coordinator: Dialects) {
  const clock = createVirtualClock();
  const versions: number[] = [];
  const pipe = createMemoryPipe(
    clock,
    () => [1],
    (bytes) => {
      const head = decodeExchangeHead(bytes);
      if (head.ok) versions.push(head.value.v);
      return bytes;
    },
  );
  const store = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  const ports = { store, clock, onAccepted() {}, hint() {}, dialects: coordinator };
  serveExchanges(pipe.listen(), createExchangeHandler(ports, { holdMs: 0 }), silentLog);
  const outbox = createMemoryDeviceStore(createMemoryDeviceDisk('device-1', 'epoch-1'));
  outbox.append(sampleEscalation('a'), 0);
  const session = createSession({
    store: outbox,
    transport: pipe.connect('device-1'),
    clock,
    random: createRandom(1),
    log: silentLog,
    effect() {},
    dialects: device,
  });
  await settled();
  while (outbox.position().ops > 0 && clock.runNext(60_000)) await settled();
  session.close();
  return { versions, delivered: outbox.position().ops === 0 };
}

const speaks = (...versions: number[]): Dialects =>
  new Map(versions.map((v) => [v, v === 2 ? renamed : one]));

describe('versions', () => {
  it('[VER1] both speak the newest, where both know it', async () => {
    expect(await versionsSpoken(speaks(1, 2), speaks(1, 2))).toEqual({
      versions: [2],
      delivered: true,
    });
  });

  it('[VER2] a newer device goes back to what an older coordinator speaks', async () => {
    expect(await versionsSpoken(speaks(1, 2), speaks(1))).toEqual({
      versions: [2, 1],
      delivered: true,
    });
  });

  it('[VER2] a newer coordinator answers an older device in its version', async () => {
    expect(await versionsSpoken(speaks(1), speaks(1, 2))).toEqual({
      versions: [1],
      delivered: true,
    });
  });

  const onWire = (message: Message) => {
    const bytes = encodeMessage(message);
    const read = bytes.ok ? decodeMessage(bytes.value) : bytes;
    return read.ok ? read.value : read;
  };

  it('[VER3] to an old coordinator a reply goes as telemetry of the same lane, and a status without learning', () => {
    const reply = { seq: 1, atMs: 0, body: sampleLearnReply() };
    const question = { seq: 2, atMs: 0, body: sampleQuestion() };
    const ops = [reply, question];
    const learn = { plans: [1], networks: ['digits'], examples: [], idle: true };
    const status = { ...sampleStatus(), learn };
    const sentIn = (v: number) => onWire(sampleExchange({ v, oldest: 3, ops, status }));
    const empty = { kind: 'telemetry', values: {} };
    expect(sentIn(3)).toMatchObject({
      ops: ops.map(({ seq }) => ({ seq, body: empty })),
    });
    expect(sentIn(3)).toHaveProperty('status', sampleStatus());
    expect(sentIn(4)).toMatchObject({ ops, status: { learn } });
    for (const { body } of ops) expect(laneOf(body)).toBe(laneOf({ kind: 'telemetry' }));
  });

  it('[VER3] to an old device a task goes as an answer that nobody waits for', () => {
    const body = sampleLearnTask();
    const replyIn = (v: number) =>
      onWire(sampleReply({ v, ops: [{ position: 3, atMs: 0, body }] }));
    expect(replyIn(3)).toMatchObject({ ops: [{ position: 3, body: { kind: 'answer' } }] });
    expect(replyIn(4)).toMatchObject({ ops: [{ position: 3, body }] });
  });

  it('[VER4] to an older coordinator, and to an older device, nothing of a conversation goes', () => {
    const ops = [sampleTurn(), sampleForget()].map((body, i) => ({ seq: i + 1, atMs: 0, body }));
    const sentIn = (v: number) => onWire(sampleExchange({ v, oldest: 3, ops }));
    const down = [{ position: 3, atMs: 0, body: sampleForget() }];
    const replyIn = (v: number) => onWire(sampleReply({ v, ops: down }));
    for (const v of [3, 4]) {
      const empty = { kind: 'telemetry', values: {} };
      expect(sentIn(v)).toMatchObject({ ops: ops.map(({ seq }) => ({ seq, body: empty })) });
      expect(replyIn(v)).toMatchObject({ ops: [{ position: 3, body: { kind: 'answer' } }] });
    }
    expect(sentIn(5)).toMatchObject({ ops });
    expect(replyIn(5)).toMatchObject({ ops: down });
    for (const { body } of ops) expect(laneOf(body)).toBe(laneOf({ kind: 'telemetry' }));
  });

  it('[VER4] to an older coordinator a status goes without the deltas that its device reads', () => {
    const status = { ...sampleStatus(), deltas: [1, 2] };
    const sentIn = (v: number) => onWire(sampleExchange({ v, oldest: 3, status }));
    for (const v of [3, 4]) expect(sentIn(v)).toHaveProperty('status', sampleStatus());
    expect(sentIn(5)).toHaveProperty('status', status);
  });

  it('[VER2] without a common version nothing is taken, and the device keeps its op', async () => {
    const { versions, delivered } = await versionsSpoken(speaks(2, 3), speaks(1));
    expect(delivered).toBe(false);
    expect(new Set(versions)).toEqual(new Set([3]));
  });
});
