import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { estimateRisk } from './estimate-risk.ts';

const all = { coverage: 1, degradedShare: 0 };

describe('the estimate of a risk', () => {
  it('brackets what was seen, and is of all requests, not of the confident alone', () => {
    const whole = estimateRisk({ audited: 1_000, disagreed: 10, ...all }, 0.05, 1);
    expect(whole.risk).toBe(0.01);
    expect(whole.lower).toBeLessThan(0.01);
    expect(whole.upper).toBeGreaterThan(0.01);
    const half = { audited: 1_000, disagreed: 10, coverage: 0.5, degradedShare: 0 };
    expect(estimateRisk(half, 0.05, 1).risk).toBe(0.005);
    expect(estimateRisk(half, 0.05, 1).upper).toBeCloseTo(whole.upper / 2);
  });

  it('says nothing before the first audit, and raises no alarm', () => {
    const none = estimateRisk({ audited: 0, disagreed: 0, ...all }, 0.01, 1);
    expect(none).toMatchObject({ risk: 0, lower: 0, upper: 1, alarm: false });
  });

  it('counts degraded answers against the guarantee', () => {
    const sample = { audited: 10_000, disagreed: 0, coverage: 0.9, degradedShare: 0.1 };
    expect(estimateRisk(sample, 0.01, 1).effectiveRisk).toBeGreaterThan(0.1);
  });

  it('alarms where ε is exceeded for certain, later where many are watched, never without an ε', () => {
    const sample = { audited: 100, disagreed: 8, ...all };
    expect(estimateRisk(sample, 0.01, 1).alarm).toBe(true);
    expect(estimateRisk(sample, 0.01, 100_000).alarm).toBe(false);
    expect(estimateRisk(sample, undefined, 1).alarm).toBe(false);
  });

  it('raises a false alarm in hardly any of many fleets at the very edge of their guarantee', () => {
    const random = createRandom(7);
    const epsilon = 0.01;
    let alarms = 0;
    for (let fleet = 0; fleet < 1_000; fleet++) {
      let disagreed = 0;
      for (let i = 0; i < 500; i++) if (random.next() < epsilon) disagreed++;
      if (estimateRisk({ audited: 500, disagreed, ...all }, epsilon, 1).alarm) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(5);
  });
});
