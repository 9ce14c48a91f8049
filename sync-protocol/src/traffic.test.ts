import { createRandom } from '@skerry/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesPerSecondOf, noTraffic, observeLoss, observeReply, type Traffic } from './traffic.ts';

/** Exchanges of many sizes over a link of that bandwidth, each with a round trip that varies. */
function over(bytesPerSecond: number, jitterMs: number, seed: number): Traffic {
  const random = createRandom(seed);
  let traffic = noTraffic;
  for (let i = 0; i < 100; i++) {
    const bytes = 200 + random.below(50_000);
    const elapsedMs = 20 + random.next() * jitterMs + (1_000 * bytes) / bytesPerSecond;
    traffic = observeReply(traffic, bytes, elapsedMs);
  }
  return traffic;
}

describe('a link’s traffic', () => {
  it('shows the bandwidth where bytes cost time, whatever the round trip', () => {
    for (const bytesPerSecond of [10_000, 100_000, 1_000_000]) {
      const seen = bytesPerSecondOf(over(bytesPerSecond, 10, 1)) ?? 0;
      expect(seen / bytesPerSecond).toBeGreaterThan(0.8);
      expect(seen / bytesPerSecond).toBeLessThan(1.25);
    }
  });

  it('states none where time does not go with bytes, nor from too few', () => {
    expect(bytesPerSecondOf(over(1e9, 40, 2))).toBeUndefined();
    let traffic = noTraffic;
    for (let i = 1; i < 8; i++) traffic = observeReply(traffic, i * 1_000, i * 10);
    expect(bytesPerSecondOf(traffic)).toBeUndefined();
    expect(bytesPerSecondOf(observeReply(traffic, 8_000, 80))).toBeCloseTo(100_000, -3);
  });

  it('never states a bandwidth that is no positive number, and a loss beyond 0…1', () => {
    const event = fc.oneof(
      fc.constant(undefined),
      fc.tuple(fc.nat(100_000), fc.double({ min: 0, max: 60_000, noNaN: true })),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let traffic = noTraffic;
        for (const reply of events)
          traffic = reply === undefined ? observeLoss(traffic) : observeReply(traffic, ...reply);
        expect(bytesPerSecondOf(traffic) ?? 1).toBeGreaterThan(0);
        expect(traffic.lossShare).toBeGreaterThanOrEqual(0);
        expect(traffic.lossShare).toBeLessThan(1);
      }),
    );
  });
});
