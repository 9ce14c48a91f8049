// A table as text: each row is a passage of its own and names its columns, since a row alone does not say what it is about.
// RFC 4180, with whatever separates the fields of its first rows.

import { err, type Failure, failure, ok, type Result } from '@skerry/shared/plain';
import Papa from 'papaparse';
import { decodeText } from './decode-text.ts';
import { columnsMax, documentCharactersMax, type Read, rowsMax } from './reading.ts';

/** The first row names the columns. Fails with `invalid_argument` or `too_large`. */
export function readCsv(bytes: Uint8Array): Result<Read> {
  const decoded = decodeText(bytes);
  if (!decoded.ok) return decoded;
  let columns: readonly string[] | undefined;
  let refused: Failure | undefined;
  let row = 0;
  let characters = 0;
  const rows: number[] = [];
  const out: string[] = [];
  Papa.parse<string[]>(decoded.value, {
    skipEmptyLines: 'greedy',
    delimitersToGuess: [',', ';', '\t', '|'],
    step({ data, errors }, parser) {
      row++;
      refused = refusalOf(row, data, errors, characters);
      if (refused !== undefined) return parser.abort();
      if (columns === undefined) {
        columns = data.map(nameOf);
        return;
      }
      const text = rowText(columns, data);
      if (text === '') return;
      rows.push(characters);
      out.push(text);
      characters += text.length;
    },
  });
  if (refused !== undefined) return err(refused);
  if (rows.length === 0) return err(failure('invalid_argument', 'no row is under its first'));
  return ok({ title: '', text: out.join(''), rows });
}

function refusalOf(
  row: number,
  fields: readonly string[],
  errors: readonly Papa.ParseError[],
  characters: number,
): Failure | undefined {
  const wrong = errors.find(({ type }) => type === 'Quotes');
  if (wrong !== undefined)
    return failure('invalid_argument', `row ${row}: ${wrong.message.toLowerCase()}`);
  if (row > rowsMax + 1) return failure('too_large', `more than ${rowsMax} rows`);
  if (fields.length > columnsMax)
    return failure('too_large', `row ${row} has ${fields.length} columns; at most ${columnsMax}`);
  if (characters > documentCharactersMax)
    return failure('too_large', `more than ${documentCharactersMax} characters, written as rows`);
  return undefined;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** No line of a row may look like a heading. */
const nameOf = (name: string, i: number): string =>
  oneLine(name).replace(/^[#\s]+/, '') || `column ${i + 1}`;

function rowText(columns: readonly string[], fields: readonly string[]): string {
  const lines = fields.flatMap((field, i) => {
    const value = oneLine(field);
    return value === '' ? [] : [`${columns[i] ?? `column ${i + 1}`}: ${value}\n`];
  });
  return lines.length === 0 ? '' : `${lines.join('')}\n`;
}
