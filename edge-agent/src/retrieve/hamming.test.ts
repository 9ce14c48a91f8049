import { createRandom } from '@skerry/shared';
import { expect, it } from 'vitest';
import { blockBytes, createHamming } from './hamming.ts';

it.each([1, 3, 31, 32, 70])(
  '[LIB32] counts the bits that differ, in rows of %i blocks',
  (blocks) => {
    const rowBytes = blocks * blockBytes;
    const rows = 9;
    const hamming = createHamming(rowBytes);
    hamming.reserve(300_000);
    const random = createRandom(1);
    const query = Uint8Array.from({ length: rowBytes }, () => random.next() * 256);
    const table = Uint8Array.from({ length: rows * rowBytes }, () => random.next() * 256);
    table.set(
      query.map((byte) => ~byte),
      rowBytes,
    );
    table.set(query, 2 * rowBytes);
    const memory = new Uint8Array(hamming.memory.buffer);
    const [at, out] = [100_000, 200_000];
    memory.set(query, 0);
    memory.set(table, at);
    hamming.distances(0, at, at + table.length, out);
    const ones = (byte: number): number =>
      [...byte.toString(2)].filter((bit) => bit === '1').length;
    const expected = Array.from({ length: rows }, (_, row) =>
      query.reduce((sum, byte, i) => sum + ones(byte ^ (table[row * rowBytes + i] as number)), 0),
    );
    expect([...new Uint16Array(hamming.memory.buffer, out, rows)]).toEqual(expected);
    expect(expected.slice(1, 3)).toEqual([8 * rowBytes, 0]);
  },
);
