// Against a real HTTP server, which checks the signature as an app would.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { assert } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWebhookClient } from './webhook-client.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

async function serve(status: number, headers: Record<string, string> = {}) {
  const calls: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    calls.push({ headers: request.headers, body: await text(request) });
    response.writeHead(status, headers).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  assert(typeof address === 'object' && address !== null, 'an address');
  const url = `http://127.0.0.1:${address.port}/hook`;
  return { calls, url, push: createWebhookClient({ url, secret }, systemClock) };
}

const never = new AbortController().signal;

describe('a webhook’s message', () => {
  it('is signed over its id, its time and its very body', async () => {
    const { calls, push } = await serve(204);
    expect((await push('r1', 'answer.late', { label: 'three' }, never)).ok).toBe(true);
    const { headers, body } = calls[0] ?? { headers: {}, body: '' };
    expect(JSON.parse(body)).toMatchObject({ type: 'answer.late', data: { label: 'three' } });
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', key).update(signed).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    expect(headers['webhook-id']).toBe('r1');
  });

  it.each([
    [429, { 'retry-after': '7' }, { code: 'unavailable', retryable: true, retryAfterMs: 7_000 }],
    [503, {}, { code: 'unavailable', retryable: true }],
    [410, {}, { code: 'invalid_argument', retryable: false }],
    [302, { location: 'http://127.0.0.1:9/' }, { code: 'invalid_argument', retryable: false }],
  ])('that is answered %i is not delivered', async (status, headers, error) => {
    const { push } = await serve(status, headers);
    expect(await push('r1', 'answer.late', {}, never)).toMatchObject({ error });
  });

  it('carries the URL’s password in a header, and tells it nobody', async () => {
    const { calls, url } = await serve(204);
    const withPassword = url.replace('//', '//user:hunter2@');
    await createWebhookClient({ url: withPassword, secret }, systemClock)('r1', 'x', {}, never);
    const basic = Buffer.from('user:hunter2').toString('base64');
    expect(calls[0]?.headers.authorization).toBe(`Basic ${basic}`);
    const nobody = 'http://user:hunter2@127.0.0.1:9/';
    const push = createWebhookClient({ url: nobody, secret }, systemClock);
    const pushed = await push('r1', 'answer.late', {}, never);
    expect(pushed).toMatchObject({ error: { code: 'unavailable' } });
    expect(JSON.stringify(pushed)).not.toContain('hunter2');
  });
});
