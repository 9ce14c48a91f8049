import { assert } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { createResidency, type Resident } from './residency.ts';

/** Residents by name, idle once they have entered, and who was unloaded. */
function fresh(memoryBytesMax: number) {
  const residency = createResidency(memoryBytesMax);
  const unloaded: string[] = [];
  const enter = async (name: string, bytes: number): Promise<Resident> => {
    const entered = await residency.enter(bytes, async () => void unloaded.push(name));
    assert(entered.ok, `${name} enters`);
    return entered.value;
  };
  return {
    residency,
    unloaded,
    async idle(name: string, bytes: number) {
      const resident = await enter(name, bytes);
      resident.use()();
      return resident;
    },
    enter,
  };
}

describe('a residency', () => {
  it('unloads those that were used longest ago, and no more of them than it must', async () => {
    const { residency, unloaded, idle } = fresh(30);
    const a = await idle('a', 10);
    await idle('b', 10);
    await idle('c', 10);
    a.use()();
    await idle('d', 15);
    expect(unloaded).toEqual(['b', 'c']);
    expect(residency.bytes()).toBe(25);
  });

  it('leaves those that run, or are still being loaded, and says overloaded', async () => {
    const { residency, unloaded, idle, enter } = fresh(30);
    const ran = (await idle('running', 10)).use();
    await enter('loading', 10);
    await idle('idle', 10);
    const refused = await residency.enter(20, async () => {});
    expect(refused).toMatchObject({ error: { code: 'overloaded', retryable: true } });
    expect(unloaded).toEqual([]);
    ran();
    expect(await residency.enter(20, async () => {})).toMatchObject({ ok: true });
    expect(unloaded).toEqual(['running', 'idle']);
  });

  it('refuses what would not fit alone, with both sizes', async () => {
    const { residency, unloaded, idle } = fresh(1_048_576);
    await idle('a', 10);
    const refused = await residency.enter(2_097_152, async () => {});
    expect(refused).toMatchObject({ error: { code: 'too_large', retryable: false } });
    expect(!refused.ok && refused.error.message).toContain('takes 2.0 MiB');
    expect(!refused.ok && refused.error.message).toContain('may take 1.0 MiB');
    expect(unloaded).toEqual([]);
  });

  it('never promises the same room twice', async () => {
    const { residency, idle } = fresh(20);
    await idle('a', 20);
    const entered = await Promise.all([1, 2, 3].map(() => residency.enter(10, async () => {})));
    expect(entered.map(({ ok }) => ok)).toEqual([true, true, false]);
    expect(residency.bytes()).toBe(20);
  });
});
