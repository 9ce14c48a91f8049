import { describe, expect, it } from 'vitest';
import { parseJson } from './parse-json.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

describe('parseJson', () => {
  it('parses', () => {
    expect(parseJson(utf8('{"a":[1]}'), 'the file')).toEqual({ ok: true, value: { a: [1] } });
  });

  it.each([
    'hunter2 {',
    '{"password":"hunter2"',
    '"hunter2',
    '{"password":"hunter2",}',
    "hunter2\n'x'",
    '[hunter2, "b"]',
  ])('quotes nothing of %j', (text) => {
    const parsed = parseJson(utf8(text), 'the file');
    expect(parsed).toMatchObject({ error: { code: 'invalid_argument' } });
    expect(JSON.stringify(parsed)).toContain('the file is no JSON');
    expect(JSON.stringify(parsed)).not.toContain('hunter2');
  });

  it('refuses what is no UTF-8', () => {
    expect(parseJson(Uint8Array.of(0xff), 'the file')).toMatchObject({
      error: { message: 'the file is no JSON: no UTF-8' },
    });
  });
});
