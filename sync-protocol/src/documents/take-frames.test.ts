import { assert, err, failure, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { DocumentChange } from '../messages.ts';
import type { CoordinatorStore } from '../ports.ts';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
} from '../testing/memory-coordinator-store.ts';
import { sampleDocumentChange, sampleExchange } from '../testing/samples.ts';
import { createFrameTaker } from './take-frames.ts';

const retryMs = 5_000;
const away = (): Promise<Result<void>> =>
  Promise.resolve(err(failure('storage_failed', 'the disk is full')));

/** Frames of documents 1 to `count` wait in the store; the hub throws at those of `poison`. */
async function fresh({ count = 3, poison = [2] }: { count?: number; poison?: number[] } = {}) {
  const clock = createVirtualClock(1_000);
  const disk = createMemoryCoordinatorDisk();
  const store = createMemoryCoordinatorStore(disk);
  let seq = 0;
  const accept = async (frames: number): Promise<void> => {
    const change = () => ({ seq: ++seq, atMs: 0, body: sampleDocumentChange(`device/${seq}`) });
    const ops = Array.from({ length: frames }, change);
    const assigned = { urgent: 0, normal: 1_000, bulk: 0 };
    assert((await store.accept(sampleExchange({ assigned, ops }), 0)).ok, 'accepted');
  };
  await accept(count);
  const received: number[] = [];
  const hub = {
    async receive(_device: string, { document }: DocumentChange) {
      const number = Number(document.split('/')[1]);
      received.push(number);
      if (poison.includes(number)) throw new Error(`a bug at ${number}`);
    },
    idle: async () => {},
  };
  const start = (faults: Partial<CoordinatorStore> = {}) => {
    const taker = createFrameTaker({ hub, store: { ...store, ...faults }, clock, log: silentLog });
    onTestFinished(taker.close);
    return taker;
  };
  return { clock, disk, received, accept, start };
}

it('[QUA4] a frame that the hub throws at is put aside with the reason, and those behind it are taken', async () => {
  const { disk, received, start } = await fresh({ count: 70, poison: [1, 64] });
  const taker = start();
  await vi.waitFor(() => expect(received).toHaveLength(70));
  await taker.close();
  expect(disk.openOps.size).toBe(0);
  expect([...disk.quarantine.values()].map(({ reason }) => reason)).toEqual([
    'a bug at 1',
    'a bug at 64',
  ]);
  start(); // Nothing is the first again.
  await new Promise(setImmediate);
  expect(received).toHaveLength(70);
});

it('[QUA4] while it cannot be put aside the others are taken, and it is tried again', async () => {
  const { clock, disk, received, start } = await fresh();
  const faults = { quarantineOp: away };
  const taker = start(faults);
  await vi.waitFor(() => expect([...disk.openOps.keys()]).toEqual([2]));
  await new Promise(setImmediate);
  expect(received).toEqual([1, 2, 3]); // It does not keep busy.
  clock.runNext(clock.nowMs() + retryMs);
  await vi.waitFor(() => expect(received).toEqual([1, 2, 3, 2]));
  await taker.close();
  expect(clock.runNext(clock.nowMs() + retryMs)).toBe(false);
});

it.each<[string, Partial<CoordinatorStore>]>([
  ['fails to read', { openOps: async () => err(failure('storage_failed', 'away')) }],
  ['throws', { openOps: () => Promise.reject(new Error('a bug')) }],
  ['fails to close what was taken', { closeOps: away }],
  ['throws where it closes', { closeOps: () => Promise.reject(new Error('a bug')) }],
])('[ACC9] a store that %s is asked again after a while', async (_, faults) => {
  const { clock, disk, start } = await fresh({ poison: [] });
  const [[call, fault]] = Object.entries(faults) as [[keyof CoordinatorStore, () => unknown]];
  let failing = true;
  const memory = createMemoryCoordinatorStore(disk);
  const perhaps = (...args: never[]) =>
    failing ? fault() : (memory[call] as (...given: never[]) => unknown)(...args);
  start({ [call]: perhaps });
  await new Promise(setImmediate);
  expect(disk.openOps.size).toBe(3);
  failing = false;
  await new Promise(setImmediate);
  expect(disk.openOps.size).toBe(3);
  expect(clock.runNext(clock.nowMs() + retryMs)).toBe(true);
  await vi.waitFor(() => expect(disk.openOps.size).toBe(0));
});

it('[ACC9] frames that arrive while others are taken are taken too', async () => {
  const { disk, received, accept, start } = await fresh({ poison: [] });
  const taker = start();
  await accept(2);
  taker.arrived();
  await vi.waitFor(() => expect(received).toEqual([1, 2, 3, 4, 5]));
  await taker.close();
  expect(disk.openOps.size).toBe(0);
});
