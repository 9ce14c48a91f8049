import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import { decodeState, encodeState } from './state-codec.ts';
import type { StrategyState } from './strategy.ts';
import { type StrategyOptionsInput, strategyOptionsSchema } from './strategy-options.ts';

const all: readonly StrategyOptionsInput[] = [
  { name: 'fedavg' },
  { name: 'fedavgm' },
  { name: 'fedadagrad' },
  { name: 'fedadam' },
  { name: 'fedyogi' },
  { name: 'fedprox', proximalMu: 0.01 },
  { name: 'fednova' },
  { name: 'q-fedavg', q: 1, clientLearningRate: 0.1 },
  { name: 'scaffold', clients: 20 },
  { name: 'fedbuff', bufferSize: 3 },
  { name: 'median' },
  { name: 'trimmed-mean', trimShare: 0.2 },
  { name: 'krum', byzantine: 1 },
  { name: 'multi-krum', byzantine: 1 },
  { name: 'bulyan', byzantine: 1 },
  { name: 'geometric-median' },
  { name: 'centred-clipping', momentum: 0.9 },
  { name: 'norm-clipping' },
];
const roundOf = (round: number) =>
  Array.from({ length: 7 }, (_, i) =>
    updateOf(`device/${i}`, [Math.sin(i + 7 * round), Math.cos(3 * i * round)], {
      steps: i + 1,
      metrics: { startLoss: 1 / (i + 1) },
      control: Float32Array.of(i, -i),
    }),
  );

describe('a strategy’s state in bytes', () => {
  it('[AGG12] is of every strategy there is', () => {
    const names = strategyOptionsSchema.options.map(({ shape }) => shape.name.value);
    expect(all.map(({ name }) => name).sort()).toEqual([...names].sort());
  });

  it.each(all)(
    '[AGG12] $name goes on to the same bytes from where it was kept, after any round',
    (options) => {
      const strategy = createStrategy(strategyOptionsSchema.parse(options));
      expect(strategy.name).toBe(options.name);
      const states: StrategyState[] = [strategy.initialize(Float32Array.of(0.5, -0.5))];
      for (let round = 0; round < 4; round++) {
        const before = states[round] as StrategyState;
        states.push(unwrap(strategy.aggregateTrain(before, roundOf(round))).state);
      }
      const last = encodeState(states[4] as StrategyState);
      for (const [from, kept] of states.entries()) {
        const { bytes, digest } = encodeState(kept);
        let state = unwrap(decodeState(bytes, digest));
        expect(state).toEqual(kept);
        for (let round = from; round < 4; round++)
          state = unwrap(strategy.aggregateTrain(state, roundOf(round))).state;
        expect(encodeState(state)).toEqual(last);
      }
    },
  );

  const sample: StrategyState = {
    parameters: Float32Array.of(1, 2),
    round: 7,
    slots: { b: Float64Array.of(0.1), a: new Float64Array(0), 'momentum of ü': Float64Array.of(1) },
  };

  it('[AGG12] has one form, whatever the order of its slots', () => {
    const { b, ...rest } = sample.slots;
    const other = encodeState({ ...sample, slots: { ...rest, b: b as Float64Array<ArrayBuffer> } });
    expect(other).toEqual(encodeState(sample));
    expect(other.digest).toBe(sha256(other.bytes));
  });

  it('[AGG12] is refused with another digest, cut, or with bytes behind it', () => {
    const { bytes, digest } = encodeState(sample);
    expect(unwrap(decodeState(bytes, digest))).toEqual(sample);
    const flipped = bytes.slice();
    flipped[20] = 1;
    expect(decodeState(flipped, digest)).toMatchObject({ error: { code: 'digest_mismatch' } });
    for (let cut = 0; cut < bytes.length; cut++) {
      const part = bytes.subarray(0, cut);
      expect(decodeState(part, sha256(part))).toMatchObject({
        error: { code: 'malformed_message' },
      });
    }
    const longer = Uint8Array.of(...bytes, 0);
    expect(decodeState(longer, sha256(longer)).ok).toBe(false);
    // Slots that change places, or one that comes twice: another form of the same state.
    const slot = (name: string) => [1, 0, name.charCodeAt(0), 0, 0, 0, 0];
    const slots = (...names: string[]) => {
      const empty = encodeState({ ...sample, slots: {} }).bytes;
      const put = Uint8Array.of(...empty.subarray(0, -2), names.length, 0, ...names.flatMap(slot));
      return decodeState(put, sha256(put)).ok;
    };
    expect([slots('a', 'b'), slots('b', 'a'), slots('a', 'a')]).toEqual([true, false, false]);
    const huge = bytes.slice();
    huge.set([255, 255, 255, 255], 9);
    expect(decodeState(huge, sha256(huge)).ok).toBe(false);
  });
});
