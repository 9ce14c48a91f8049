import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { ownPagesOnly } from './own-pages.ts';

const statusOf = async (headers: Record<string, string>, httpHost = '127.0.0.1') => {
  const app = new Hono().use(ownPagesOnly(httpHost));
  app.post('/v2', (c) => c.text('done'));
  return (await app.request('/v2', { method: 'POST', headers })).status;
};

describe('a request to the local API', () => {
  it.each(['cross-site', 'same-site'])('of a page is refused where it is %s', async (site) => {
    expect(await statusOf({ 'sec-fetch-site': site })).toBe(403);
    expect(await statusOf({ 'sec-fetch-site': site }, '0.0.0.0')).toBe(403);
  });

  it.each(['same-origin', 'none'])('of a page is served where it is %s', async (site) =>
    expect(await statusOf({ 'sec-fetch-site': site, host: '127.0.0.1:8080' })).toBe(200),
  );

  it('of a program, which says neither, is served', async () =>
    expect(await statusOf({})).toBe(200));

  // Over plain HTTP off loopback a browser does not say of which site a page is.
  it.each([
    'http://evil.example',
    'http://192.168.1.7',
    'http://192.168.1.7:9090',
    'https://192.168.1.7:8080.evil.example',
    'null',
  ])('of a page that says its origin alone is refused from %s', async (origin) => {
    const host = '192.168.1.7:8080';
    expect(await statusOf({ origin, host }, '0.0.0.0')).toBe(403);
    expect(await statusOf({ origin, host })).toBe(403);
  });

  it.each([
    ['http://192.168.1.7:8080', '192.168.1.7:8080'],
    ['http://kitchen.local', 'kitchen.local:80'],
    ['https://kitchen.local', 'kitchen.local:443'],
  ])('of the agent’s own page, %s, is served', async (origin, host) =>
    expect(await statusOf({ origin, host }, '0.0.0.0')).toBe(200),
  );

  it('of the agent’s own page is served behind a proxy that gives it another name', async () => {
    const headers = { origin: 'https://kiosk.example', host: '127.0.0.1:8080' };
    expect(await statusOf({ ...headers, 'sec-fetch-site': 'same-origin' })).toBe(200);
  });

  it.each(['localhost:8080', '127.0.0.1', '[::1]:8080', '192.168.1.7:8080'])(
    'is served under %s',
    async (host) => expect(await statusOf({ host })).toBe(200),
  );

  it.each(['evil.example:8080', '127.0.0.1.evil.example', 'localhost.evil.example', 'a b'])(
    'is refused under a name that was pointed here: %s',
    async (host) => expect(await statusOf({ host })).toBe(403),
  );

  it('is served under any name where the network may reach the agent', async () =>
    expect(await statusOf({ host: 'kitchen.local' }, '0.0.0.0')).toBe(200));
});
