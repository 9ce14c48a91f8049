import { describe, expect, it } from 'vitest';
import { splitRows } from '../split-text.ts';
import { readCsv } from './csv-text.ts';
import { columnsMax, rowsMax } from './reading.ts';

const readOf = (text: string) => readCsv(Buffer.from(text));

describe('a table', () => {
  it('[LIB24] has a passage a row, which names its columns', () => {
    const read = readOf(
      'part,# of,"says, or\nnot",\r\n' + 'valve,2,"a ""b"",\nc",x\n\n' + 'hose,,# d,,more\n',
    );
    if (!read.ok) throw new Error(read.error.message);
    const { text, rows = [] } = read.value;
    const options = { method: 'recursive', tokensMax: 1_000, countTokens: () => 1 } as const;
    const passages = splitRows(text, rows, options);
    expect(passages.map(({ start, end }) => text.slice(start, end))).toEqual([
      'part: valve\nof: 2\nsays, or not: a "b", c\ncolumn 4: x\n\n',
      'part: hose\nsays, or not: # d\ncolumn 5: more\n\n',
    ]);
    expect(passages.map(({ heading }) => heading)).toEqual(['', '']);
  });

  it.each([';', '\t', '|'])('[LIB24] may be separated by %j', (separator) => {
    const read = readOf(['a', 'b\n1', '2\n3', '4'].join(separator));
    expect(read.ok && read.value.text).toBe('a: 1\nb: 2\n\na: 3\nb: 4\n\n');
  });

  it('[LIB24] is refused with the row: a quote that is not closed, too many columns, rows, or none', () => {
    const refusal = (text: string) => {
      const read = readOf(text);
      return read.ok ? 'taken' : read.error.message;
    };
    expect(refusal('a,b\n1,2\n"3,4\n')).toBe('row 3: quoted field unterminated');
    expect(refusal(`a\n${','.repeat(columnsMax)}1\n`)).toMatch(/^row 2 has 513 columns/);
    expect(refusal(`a\n${'1\n'.repeat(rowsMax + 1)}`)).toBe(`more than ${rowsMax} rows`);
    expect(refusal('a,b\n')).toBe('no row is under its first');
  });
});
