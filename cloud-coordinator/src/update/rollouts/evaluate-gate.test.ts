import { createRandom } from '@skerry/shared';
import type { Health } from '@skerry/sync-protocol/update';
import { describe, expect, it } from 'vitest';
import { sampleHealth } from '../../testing/sample-rollout.ts';
import { evaluateGate, type Observed } from './evaluate-gate.ts';
import type { Execution } from './gate-signs.ts';
import type { Tally } from './rollout-event.ts';
import { type GateLimits, gateLimitsSchema } from './rollout-plan.ts';

const gate = (more: Record<string, unknown> = {}): GateLimits =>
  gateLimitsSchema.parse({
    devicesMin: 20,
    audits: { riseMax: 0.02, answersMin: 100 },
    latency: { ratioMax: 1.5, worseShareMax: 0.2 },
    memory: { ratioMax: 1.5, worseShareMax: 0.2 },
    ...more,
  });

const executions = (
  devices: number,
  candidate: (i: number) => Health | undefined = () => sampleHealth(),
  more: Partial<Execution> = {},
): Execution[] =>
  Array.from({ length: devices }, (_, i) => ({
    device: `device-${i}`,
    failed: false,
    health: candidate(i),
    baseline: sampleHealth(),
    ...more,
  }));

const seen = (all: readonly Execution[], tally: Partial<Tally> = {}, refused = 0): Observed => ({
  executions: all,
  refused,
  tally: {
    members: all.length + refused,
    waiting: 0,
    underWay: 0,
    succeeded: all.filter(({ failed }) => !failed).length,
    failed: all.filter(({ failed }) => failed).length,
    refused,
    unreachable: 0,
    exempt: 0,
    ...tally,
  },
});

const of = (observed: Observed, sign: string, limits = gate()) =>
  evaluateGate(limits, observed).evidence.find((each) => each.sign === sign);

describe('a gate', () => {
  it('[GAT3] promotes what is no worse, with the evidence', () => {
    const verdict = evaluateGate(gate(), seen(executions(40)));
    expect(verdict).toMatchObject({ verdict: 'promote' });
    expect(of(seen(executions(40)), 'audits')).toMatchObject({
      finding: 'none-shown',
      trials: 800,
      devices: 40,
      candidate: 0.05,
      incumbent: 0.05,
    });
  });

  it('[GAT3] holds on too few devices, and on too few answers, and says so', () => {
    const few = evaluateGate(gate(), seen(executions(19), { waiting: 5 }));
    expect(few.verdict).toBe('hold');
    expect(few.reasons).toContain('19 of 20 devices executed');
    const mute = () => sampleHealth(0, { audit: { answers: 2, agreed: 2 } });
    const silent = evaluateGate(gate(), seen(executions(30, mute), { waiting: 5 }));
    expect(silent).toMatchObject({
      verdict: 'hold',
      reasons: [expect.stringContaining('30 of 35'), 'audits: 60 of 100 answers so far'],
    });
  });

  it('[GAT4] has only executed devices in its denominators', () => {
    const bad = executions(30, (i) => sampleHealth(i % 2 === 0 ? 8 : 9));
    const all = [
      seen(bad),
      seen(bad, { members: 9_000, waiting: 900, unreachable: 8_000, underWay: 70 }),
    ];
    for (const each of all) expect(evaluateGate(gate(), each).verdict).toBe('rollback');
    // And nobody's silence makes it pass: of a wave of whom nobody has executed nothing is known.
    const silent = seen(executions(30), {
      members: 100,
      succeeded: 0,
      failed: 0,
      unreachable: 100,
    });
    expect(evaluateGate(gate(), silent)).toMatchObject({
      verdict: 'hold',
      reasons: ['nobody of this wave has executed; 100 unreachable'],
    });
  });

  it('[GAT4] waits until enough of those who are there have ended', () => {
    const open = seen(executions(30), { underWay: 10, unreachable: 500 });
    expect(evaluateGate(gate(), open)).toMatchObject({ verdict: 'hold' });
    expect(evaluateGate(gate({ settledShareMin: 0.7 }), open)).toMatchObject({
      verdict: 'promote',
    });
  });

  it('[GAT5] rolls back where devices fail, by share and by number', () => {
    const failing = executions(30).map((each, i) => ({ ...each, failed: i < 10 }));
    const verdict = evaluateGate(gate(), seen(failing));
    expect(verdict.verdict).toBe('rollback');
    expect(verdict.reasons[0]).toContain('failed devices: 33.3 %');
    expect(of(seen(failing), 'failed devices')?.exact?.lower).toBeGreaterThan(0.15);
    const three = executions(10).map((each, i) => ({ ...each, failed: i < 3 }));
    const limits = gate({ failedMax: 3 });
    expect(evaluateGate(limits, seen(three)).verdict).toBe('rollback');
    expect(evaluateGate({ ...limits, onHarm: 'pause' }, seen(three)).verdict).toBe('pause');
  });

  it('[GAT5] holds where more fail than may and it may be chance, and pauses when nobody is left to tell', () => {
    const failing = executions(24).map((each, i) => ({ ...each, failed: i < 3 }));
    expect(evaluateGate(gate(), seen(failing, { waiting: 1, members: 25 })).verdict).toBe('hold');
    const over = evaluateGate(gate(), seen(failing));
    expect(over.verdict).toBe('pause');
    expect(over.reasons.join()).toContain('failed devices: beyond 5.0 %');
  });

  it.each<[string, Partial<Health>, Record<string, unknown>]>([
    ['failures', { failures: 10 }, { failures: { riseMax: 0.02 } }],
    ['escalations', { escalated: 45 }, { escalations: { riseMax: 0.05 } }],
    ['disagreements', { cloud: { answers: 20, agreed: 10 } }, { disagreements: { riseMax: 0.05 } }],
    ['audits', { audit: { answers: 20, agreed: 15 } }, {}],
    ['shadow', { shadow: { answers: 50, agreed: 40 } }, { shadow: { differShareMax: 0.05 } }],
    ['latency', { latency: { p50Ms: 5, p95Ms: 16 } }, {}],
    ['memory', { memoryBytes: 1_600_000 }, {}],
  ])('[GAT6] sees %s, and names it', (sign, worse, limits) => {
    const sick = executions(40, () => sampleHealth(1, worse));
    const verdict = evaluateGate(gate(limits), seen(sick));
    expect(verdict.verdict).toBe('rollback');
    expect(verdict.reasons).toHaveLength(1);
    expect(verdict.reasons[0]).toMatch(new RegExp(`^${sign}: `));
    const well = executions(40, () => sampleHealth(1, { shadow: { answers: 50, agreed: 49 } }));
    expect(evaluateGate(gate(limits), seen(well)).verdict).toBe('promote');
  });

  it('[GAT6] counts what failed devices have told', () => {
    const wrong = executions(30, () => sampleHealth(8)).map((each, i) => ({
      ...each,
      failed: i === 0,
    }));
    expect(evaluateGate(gate(), seen(wrong)).verdict).toBe('rollback');
  });

  it('[GAT10] is blind through no device that says what cannot be, of itself or of before', () => {
    const odd = sampleHealth(0, { failures: 500, audit: { answers: 20, agreed: 30 } });
    const all = executions(40, () => sampleHealth(8));
    for (const one of [{ health: odd }, { baseline: odd }]) {
      const [first, ...others] = all as [Execution, ...Execution[]];
      const observed = seen([{ ...first, ...one }, ...others]);
      expect(evaluateGate(gate(), observed).verdict).toBe('rollback');
      expect(JSON.stringify(evaluateGate(gate(), observed))).not.toContain('null');
    }
  });

  it('[GAT6] lets pass what is worse by less than matters, however sure that is', () => {
    const limits = gate({ failures: { riseMax: 0.05 } });
    const slightly = seen(executions(2_000, () => sampleHealth(1, { failures: 2 })));
    expect(of(slightly, 'failures', limits)?.lower).toBeGreaterThan(0);
    expect(evaluateGate(limits, slightly).verdict).toBe('promote');
    const few = seen(
      executions(60, () => sampleHealth(1, { failures: 2 })),
      { waiting: 1 },
    );
    expect(of(few, 'failures', limits)?.finding).not.toBe('harm');
  });

  it('[GAT3] promotes nothing whose drift is to be looked at and nobody tells', () => {
    const limits = gate({ drift: { moveMax: 0.1 } });
    const waiting = { waiting: 1 };
    const silent = evaluateGate(limits, seen(executions(40), waiting));
    expect(silent).toMatchObject({
      verdict: 'hold',
      reasons: ['drift: nobody has told which classes it answers, now and before'],
    });
    expect(silent.evidence.at(-1)).toMatchObject({ sign: 'drift', finding: 'too-few', trials: 0 });
    const few = { labels: [1, 1] };
    const some = executions(40, (i) => sampleHealth(1, i < 3 ? few : {})).map((each) => ({
      ...each,
      baseline: sampleHealth(1, few),
    }));
    expect(evaluateGate(limits, seen(some, waiting)).reasons).toEqual([
      'drift: 6 of 20 answers so far',
    ]);
  });

  it('[GAT7] pauses where answers shift, and where most refuse', () => {
    const limits = gate({ drift: { moveMax: 0.1 } });
    const withLabels = (labels: number[]) => sampleHealth(1, { labels });
    const drifted = executions(40, () => withLabels([70, 10, 20])).map((each) => ({
      ...each,
      baseline: withLabels([33, 33, 34]),
    }));
    const verdict = evaluateGate(limits, seen(drifted));
    expect(verdict.verdict).toBe('pause');
    expect(verdict.reasons.map((each) => each.slice(0, 20))).toEqual([
      'drift: class 0 rises',
      'drift: class 1 falls',
    ]);
    const steady = executions(40, () => withLabels([33, 33, 34])).map((each) => ({
      ...each,
      baseline: withLabels([34, 33, 33]),
    }));
    expect(evaluateGate(limits, seen(steady)).verdict).toBe('promote');
    expect(evaluateGate(gate(), seen(executions(20), {}, 40))).toMatchObject({
      verdict: 'pause',
      reasons: ['40 of 60 devices refuse it'],
    });
  });

  it('[GAT7] holds where answers may have shifted, and pauses when nobody is left who could tell', () => {
    const limits = gate({ drift: { moveMax: 0.1 } });
    const withLabels = (labels: number[]) => sampleHealth(1, { labels });
    // Beyond the limit as far as seen, on so few answers that chance may have done it.
    const moved = executions(40, (i) => withLabels(i < 5 ? [3, 1, 1] : [])).map((each, i) => ({
      ...each,
      baseline: withLabels(i < 5 ? [2, 2, 1] : []),
    }));
    const verdict = evaluateGate(limits, seen(moved, { waiting: 1 }));
    expect(verdict).toMatchObject({
      verdict: 'hold',
      reasons: [
        expect.stringMatching(/^drift: class 0 rises: beyond 10.0 % as far as seen/),
        expect.stringMatching(/^drift: class 1 falls/),
      ],
    });
    expect(verdict.evidence).toContainEqual(
      expect.objectContaining({ sign: 'drift: class 0 rises', finding: 'suspected' }),
    );
    expect(evaluateGate(limits, seen(moved)).verdict).toBe('pause');
  });

  it('[GAT8] waits, where a rise is to be excluded, until it is', () => {
    const limits = gate({ audits: { riseMax: 0.02, need: 'prove' } });
    const verdict = evaluateGate(limits, seen(executions(40), { waiting: 1 }));
    expect(verdict).toMatchObject({
      verdict: 'hold',
      reasons: [expect.stringContaining('is to be excluded')],
    });
    const enough = seen(executions(400));
    expect(evaluateGate(limits, enough).verdict).toBe('promote');
    expect(of(enough, 'audits', limits)?.finding).toBe('no-harm-proven');
  });

  it('[GAT9] is the same however the devices come', () => {
    const random = createRandom(3);
    const all = executions(60, () => sampleHealth(random.below(4)));
    const one = evaluateGate(gate(), seen(all));
    const other = evaluateGate(gate(), seen([...all].reverse()));
    expect(other.verdict).toBe(one.verdict);
    expect(other.reasons).toEqual(one.reasons);
    for (const [i, { lower, upper }] of one.evidence.entries()) {
      expect(other.evidence[i]?.lower).toBeCloseTo(lower, 9);
      expect(other.evidence[i]?.upper).toBeCloseTo(upper, 9);
    }
  });

  it('[GAT1] with every sign at once, cries wolf over a good candidate in no more than delta of rollouts', () => {
    let alarms = 0;
    const limits = gate({
      devicesMin: 5,
      failures: { riseMax: 0.02 },
      escalations: { riseMax: 0.05 },
      disagreements: { riseMax: 0.05 },
      delta: 0.1,
    });
    const random = createRandom(11);
    const hits = (trials: number, chance: number): number =>
      Array.from({ length: trials }, () => random.next()).filter((each) => each < chance).length;
    const draw = (level: number): Health =>
      sampleHealth(hits(20, level), {
        failures: hits(100, level / 4),
        escalated: hits(100, 4 * level),
        cloud: { answers: 20, agreed: 20 - hits(20, 2 * level) },
      });
    const runs = 30;
    for (let run = 0; run < runs; run++) {
      const all: Execution[] = [];
      for (let i = 0; i < 60; i++) {
        const level = 0.02 + 0.08 * random.next();
        all.push({
          device: `d${i}`,
          failed: random.next() < 0.04,
          health: draw(level),
          baseline: draw(level),
        });
        if (i % 10 !== 9) continue;
        if (evaluateGate(limits, seen(all, { waiting: 1 })).verdict !== 'rollback') continue;
        alarms++;
        break;
      }
    }
    expect(alarms).toBeLessThanOrEqual(runs * 0.1 + 2);
  });
});
