import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventReader, eventCharsMax, streamCharsMax } from './event-reader.ts';

const fresh = () => createEventReader((body) => new TextDecoder().decode(body));
const chunk = (content: string, reason: string | null = null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: reason }],
});
const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

describe('a reader of events', () => {
  it('gives the same chunks wherever the stream is cut into pieces, and whatever ends a line', () => {
    const all = [chunk('a'), chunk('\u00e9\n"}'), chunk('', 'stop'), { choices: [], usage: {} }];
    const text = `: comment\nevent: x\n${all.map(event).join('')}data: [DONE]\n\n`;
    fc.assert(
      fc.property(
        fc.array(fc.nat(text.length), { maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        (cuts, ending) => {
          const whole = text.replaceAll('\n', ending);
          const places = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
          const reader = fresh();
          const chunks = places.slice(1).flatMap((place, i) => {
            const pushed = reader.push(whole.slice(places[i], place));
            expect(pushed.failure).toBeUndefined();
            return pushed.chunks;
          });
          expect(chunks).toEqual(all);
          expect([reader.done(), reader.end()]).toEqual([true, { ok: true, value: undefined }]);
        },
      ),
    );
  });

  it('takes a chunk as it came, with what nobody here knows', () => {
    const strange = { x: [1], choices: [{ delta: { reasoning: 'hm' }, y: 0.1 }], id: 'z' };
    expect(JSON.stringify(fresh().push(event(strange)).chunks[0])).toBe(JSON.stringify(strange));
  });

  it('takes a field for errors that is null in every chunk for none', () => {
    for (const name of ['error', 'detail']) {
      const { chunks, failure } = fresh().push(event({ ...chunk('a'), [name]: null }));
      expect([chunks.length, failure]).toEqual([1, undefined]);
      expect(fresh().push(event({ [name]: 'broke' })).failure?.message).toContain('broke');
    }
  });

  it('is content with a reason to finish where [DONE] is missing, and with nothing less', () => {
    const finished = fresh();
    finished.push(event(chunk('a', 'length')));
    expect(finished.end()).toMatchObject({ ok: true });
    const cut = fresh();
    cut.push(event(chunk('a')));
    expect(cut.end()).toMatchObject({ error: { code: 'unavailable' } });
  });

  it.each([
    ['vLLM', event({ error: { message: 'no memory' } })],
    ['llama.cpp', 'error: {"message":"no memory"}\n\n'],
    ['Ollama', '{"error":{"message":"no memory"}}\n'],
    ['FastAPI', event({ detail: 'no memory' })],
  ])('hears the error of %s, after the chunks before it', (_, text) => {
    const { chunks, failure } = fresh().push(event(chunk('a')) + text);
    expect(chunks).toHaveLength(1);
    expect(failure).toMatchObject({
      code: 'runtime_failed',
      message: expect.stringContaining('no memory'),
    });
  });

  it('hears an error without the end of its line', () => {
    const reader = fresh();
    reader.push('{"error":"no memory"}');
    expect(reader.end()).toMatchObject({ error: { code: 'runtime_failed' } });
  });

  it.each(['data: {\n\n', 'data: 1\n\n', 'data: {"choices":1}\n\n'])('refuses %j', (text) => {
    expect(fresh().push(text).failure).toMatchObject({ code: 'runtime_failed' });
  });

  it('bounds an event, and the whole', () => {
    expect(fresh().push('x'.repeat(eventCharsMax)).failure).toBeUndefined();
    expect(fresh().push('x'.repeat(eventCharsMax + 1)).failure).toBeDefined();
    const reader = fresh();
    const piece = `${'x'.repeat(eventCharsMax - 1)}\n`;
    for (let chars = 0; chars + piece.length <= streamCharsMax; chars += piece.length)
      expect(reader.push(piece).failure).toBeUndefined();
    expect(reader.push(piece).failure).toMatchObject({ message: /bound/ });
  });
});
