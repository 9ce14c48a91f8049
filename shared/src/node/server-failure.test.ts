import { describe, expect, it } from 'vitest';
import { errorTextOf, serverFailure } from './server-failure.ts';

describe('an error of another server', () => {
  const bytes = (body: unknown) =>
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

  it.each<[string, unknown, string]>([
    ['the Open Inference Protocol', { error: 'queue full' }, 'queue full'],
    ['OpenAI and vLLM', { error: { message: 'queue full', type: 'x', code: 1 } }, 'queue full'],
    ['FastAPI', { detail: 'queue full' }, 'queue full'],
    [
      'FastAPI, of a field',
      { detail: [{ loc: ['body', 'n'], msg: 'not permitted' }] },
      'body.n: not permitted',
    ],
    ['a proxy', '<html>502</html>', '<html>502</html>'],
  ])('is read in the shape of %s', (_, body, text) => expect(errorTextOf(bytes(body))).toBe(text));

  it.each<[number, unknown, string, boolean]>([
    [400, { error: 'bad shape' }, 'invalid_argument', false],
    [400, { error: "Request for unknown model: 'm' is not found" }, 'model_not_found', false],
    [404, { error: 'no' }, 'model_not_found', false],
    [422, { detail: 'no' }, 'invalid_argument', false],
    [429, {}, 'overloaded', true],
    [500, {}, 'runtime_failed', true],
    [502, '', 'unavailable', true],
    [503, {}, 'overloaded', true],
    [504, {}, 'deadline_exceeded', true],
  ])('%s %j is %s', (status, body, code, retryable) => {
    expect(serverFailure('them', status, bytes(body))).toMatchObject({ code, retryable });
  });

  it('says when to come back', () => {
    expect(serverFailure('them', 429, bytes({}), '2')).toMatchObject({ retryAfterMs: 2_000 });
  });
});
