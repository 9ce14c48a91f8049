import { err, failure } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import { createEventLog } from './event-log.ts';
import { chainDigest, type Folding, foldedSchema } from './folding.ts';

const schema = z.strictObject({ kind: z.literal('measured'), value: z.number() });
type Measured = z.infer<typeof schema>;

const sumSchema = z.union([
  schema,
  z.strictObject({ kind: z.literal('folded'), sum: z.number(), folded: foldedSchema }),
]);
type Summed = z.infer<typeof sumSchema>;
const folding: Folding<Summed, number> = {
  eventsMax: 6,
  eventsKept: 2,
  foldedIn: (event) => (event.kind === 'folded' ? event.folded : undefined),
  make: (sum, folded) => ({ kind: 'folded', sum, folded }),
};
const summing = (disk = createMemoryRolloutDisk(), store = createMemoryEventStore(disk)) =>
  createEventLog<Summed, number>(
    store,
    'log-1',
    sumSchema,
    0,
    (state, event) => (event.kind === 'folded' ? event.sum : state + event.value),
    undefined,
    folding,
  );

function opened(disk = createMemoryRolloutDisk(), eventsMax?: number) {
  const sum = (state: number, { value }: Measured): number => state + value;
  return {
    disk,
    log: createEventLog(createMemoryEventStore(disk), 'log-1', schema, 0, sum, eventsMax),
  };
}
const measured = (value: number): Measured => ({ kind: 'measured', value });

describe('a log', () => {
  it('does not write what it could not read again, nor what came with it', async () => {
    const { disk, log } = opened();
    for (const value of [Number.POSITIVE_INFINITY, Number.NaN])
      expect(await log.append([measured(1), measured(value)])).toMatchObject({
        error: { code: 'internal', message: expect.stringMatching(/log-1.*value/) },
      });
    expect(log.state()).toBe(0);
    expect(unwrap(await log.append([measured(2)]))).toBe(true);
    const again = opened(disk).log;
    unwrap(await again.refresh());
    expect(again.state()).toBe(2);
  });

  it('[ROL27] that has all the events that it may is put aside with that reason', async () => {
    const { disk, log } = opened(undefined, 2);
    unwrap(await log.append([measured(1)]));
    unwrap(await log.refresh());
    expect(log.isFull()).toBe(false);
    unwrap(await log.append([measured(1)]));
    for (const each of [log, opened(disk, 2).log]) {
      expect(await each.refresh()).toMatchObject({ error: { code: 'too_large' } });
      expect(each.unreadable()).toMatch(/holds 2 events; 2 are the most/);
      expect(each.isFull()).toBe(true);
    }
  });

  it('says that it cannot be read, and why, until it can', async () => {
    const { disk, log } = opened();
    unwrap(await log.append([measured(1)]));
    const lines = disk.logs.get('log-1') ?? [];
    lines.push('{"kind":"measured","value":null}');
    expect(await log.refresh()).toMatchObject({ error: { code: 'storage_failed' } });
    expect(log.unreadable()).toMatch(/holds what is no event/);
    lines.pop();
    unwrap(await log.refresh());
    expect(log.unreadable()).toBeUndefined();
  });

  it('takes no event twice when it is read and written at once', async () => {
    const disk = createMemoryRolloutDisk();
    const store = createMemoryEventStore(disk);
    let go = (): void => {};
    const held = new Promise<void>((done) => {
      go = done;
    });
    /** Answers late what it has read at once. */
    const slow = {
      ...store,
      async read(...args: Parameters<typeof store.read>) {
        const page = await store.read(...args);
        await held;
        return page;
      },
    };
    const log = summing(disk, slow);
    const before = log.refresh();
    expect(unwrap(await log.append([measured(1)]))).toBe(true);
    go();
    unwrap(await before);
    unwrap(await log.refresh());
    expect([log.state(), log.length()]).toEqual([1, 1]);

    const late = summing(disk, {
      ...store,
      async append(...args) {
        const appended = await store.append(...args);
        unwrap(await late.refresh());
        return appended;
      },
    });
    unwrap(await late.refresh());
    expect(unwrap(await late.append([measured(2)]))).toBe(true);
    expect([late.state(), late.length()]).toEqual([3, 2]);
  });

  it('[RST7] whose oldest events are folded says the same to whoever reads it, however far they had read', async () => {
    const disk = createMemoryRolloutDisk();
    const [writer, behind] = [summing(disk), summing(disk)];
    unwrap(await writer.append([1, 2, 3].map(measured)));
    unwrap(await behind.refresh());
    unwrap(await writer.append([4, 5].map(measured)));
    expect(unwrap(await writer.fold())).toBeUndefined();
    const texts = disk.logs.get('log-1')?.slice() ?? [];
    unwrap(await writer.append([measured(6)]));
    const four = texts.slice(0, 4).reduce<ReturnType<typeof chainDigest> | ''>(chainDigest, '');
    expect(unwrap(await writer.fold())).toEqual({ events: 4, digest: four });
    expect(disk.logs.get('log-1')).toHaveLength(3);
    expect([writer.state(), writer.length(), writer.held()]).toEqual([21, 6, 3]);
    unwrap(await behind.refresh());
    const fresh = summing(disk);
    unwrap(await fresh.refresh());
    for (const log of [behind, fresh])
      expect([log.state(), log.length(), log.held()]).toEqual([21, 6, 3]);
    expect(unwrap(await behind.append([measured(7)]))).toBe(true);
    // Folded again it goes on with the same digest: as if nothing had been folded before.
    unwrap(await behind.append([8, 9].map(measured)));
    const since = disk.logs.get('log-1')?.slice(1, -2) ?? [];
    const seven = since.reduce<ReturnType<typeof chainDigest> | ''>(chainDigest, four);
    expect(unwrap(await behind.fold())).toEqual({ events: 7, digest: seven });
    unwrap(await writer.refresh());
    expect(writer.state()).toBe(45);
  });

  it('[RST7] that is cut off while it folds is as it was, or folded', async () => {
    const disk = createMemoryRolloutDisk();
    const store = createMemoryEventStore(disk);
    const killed = err(failure('unavailable', 'killed'));
    const before = summing(disk, { ...store, fold: async () => killed });
    const after = summing(disk, {
      ...store,
      async fold(...args) {
        await store.fold(...args);
        return killed;
      },
    });
    unwrap(await before.append([1, 2, 3, 4, 5, 6].map(measured)));
    for (const log of [before, after]) {
      unwrap(await log.refresh());
      expect(await log.fold()).toEqual(killed);
      const next = summing(disk);
      unwrap(await next.refresh());
      expect([next.state(), next.length()]).toEqual([21, 6]);
    }
    // Who has not heard that it is done finds it so.
    expect(unwrap(await after.fold())).toBeUndefined();
    expect(after.held()).toBe(3);
  });

  it('[RST7] is not folded into what nobody could read', async () => {
    const disk = createMemoryRolloutDisk();
    const log = summing(disk);
    unwrap(await log.append([Number.MAX_VALUE, 1, 2].map(measured)));
    unwrap(await log.append([Number.MAX_VALUE, 3, 4].map(measured)));
    expect(await log.fold()).toMatchObject({ error: { code: 'storage_failed' } });
    expect(disk.logs.get('log-1')).toHaveLength(6);
  });

  it('[RST7] of which events are missing that nothing stands for cannot be read', async () => {
    const disk = createMemoryRolloutDisk();
    const log = summing(disk);
    unwrap(await log.append([1, 2, 3].map(measured)));
    disk.logs.get('log-1')?.shift();
    disk.begins.set('log-1', 1);
    const next = summing(disk);
    expect(await next.refresh()).toMatchObject({ error: { code: 'storage_failed' } });
    expect(next.unreadable()).toMatch(/events of log-1 are missing/);
  });
});
