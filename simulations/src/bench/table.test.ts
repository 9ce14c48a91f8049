import { expect, it } from 'vitest';
import { number, ratio, renderTable } from './table.ts';

it('sets names to the left and numbers to the right', () => {
  const rows = [
    ['raw', '1.0'],
    ['agent', '12.5'],
  ];
  expect(renderTable(['path', 'ms'], rows)).toBe(
    ['path     ms', '───────────', 'raw     1.0', 'agent  12.5'].join('\n'),
  );
});

it.each([
  [1234.5, '1235'],
  [12.34, '12.3'],
  [1.234, '1.23'],
  [0.0123, '0.012'],
  [Number.NaN, '–'],
])('writes %d as %s', (value, text) => {
  expect(number(value)).toBe(text);
});

it('marks a ratio', () => {
  expect(ratio(2)).toBe('2.00 ×');
});
