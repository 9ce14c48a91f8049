import { describe, expect, it } from 'vitest';
import { parseCsv } from './parse-csv.ts';

describe('parseCsv', () => {
  it('reads plain, empty and quoted fields, over lines of either ending', () => {
    expect(parseCsv('a,b\r\n"1,5",\n"two\nlines","say ""yes"""')).toEqual([
      ['a', 'b'],
      ['1,5', ''],
      ['two\nlines', 'say "yes"'],
    ]);
  });

  it('refuses a quote that nothing ends', () => {
    expect(() => parseCsv('a,b\n"c,d')).toThrow('character 4');
  });
});
