import { describe, expect, it } from 'vitest';
import { judge, type Sighting } from './sighting.ts';

const at = (boot: number, epoch: string, cursor = 5, urgent = 5) => ({
  boot,
  epoch,
  cursor,
  assigned: { urgent, normal: 0, bulk: 0 },
});

/** What is suspected at each Exchange in turn. */
function suspicions(exchanges: readonly ReturnType<typeof at>[]) {
  const heard = new Set<string>();
  let last: Sighting | undefined;
  return exchanges.map((exchange) => {
    const { sighting, suspicion } = judge(last, exchange, heard.has(exchange.epoch));
    last = sighting;
    heard.add(exchange.epoch);
    return suspicion;
  });
}

describe('sighting', () => {
  it('[EPO4] suspects nothing of a device that goes on, restarts, or whose messages overtake', () => {
    const exchanges = [at(1, 'a', 0, 0), at(1, 'a'), at(1, 'a', 4, 3), at(2, 'b'), at(1, 'a')];
    expect(suspicions([...exchanges, at(2, 'b'), at(3, 'c', 9, 9)])).not.toContain('cloned');
    expect(suspicions(exchanges)).not.toContain('restored');
  });

  it.each([
    ['boots', at(1, 'b')],
    ['seqs', at(3, 'b', 5, 4)],
    ['cursor', at(3, 'b', 4, 5)],
  ])('[EPO4] suspects a disk whose %s went back', (_, restored) => {
    expect(suspicions([at(2, 'a'), restored])).toEqual([undefined, 'restored']);
  });

  it('[EPO4] names a clone once the two have taken turns', () => {
    const turns = ['a', 'b', 'a', 'b', 'a', 'b'].map((epoch) => at(2, epoch));
    expect(suspicions(turns)).toContain('cloned');
  });
});
