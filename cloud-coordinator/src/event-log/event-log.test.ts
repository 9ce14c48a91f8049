import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import { createEventLog } from './event-log.ts';

const schema = z.strictObject({ kind: z.literal('measured'), value: z.number() });
type Measured = z.infer<typeof schema>;

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
});
