import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import type { Operator } from '../fleet/operators.ts';
import {
  adminOnly,
  byOf,
  createOperatorCheck,
  type OperatorAccess,
  type OperatorEnvironment,
  operatorGate,
  textGate,
} from './operator-gate.ts';

const operatorToken = 'a-token-of-the-operator-of-this-fleet';
const basic = (password: string) =>
  `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`;

function fresh(access: OperatorAccess) {
  const app = new Hono().all('*', operatorGate(createOperatorCheck(access)), (c) => c.text('in'));
  return (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    app.request(path, { method, headers });
}

const routes = [
  ['GET', '/'],
  ['GET', '/metrics'],
  ['GET', '/v1/devices'],
  ['PATCH', '/v1/fleet/policy'],
  ['PATCH', '/v1/sites/north/document'],
  ['POST', '/v2/repository/models/digits/unload'],
  ['POST', '/v2/models/digits/infer'],
  ['GET', '/v2/health/live/..'],
] as const;

describe('the operator’s routes', () => {
  it.each(routes)('[IDN10] %s %s asks for the token', async (method, path) => {
    const ask = fresh({ operatorToken, asked: true });
    for (const authorization of [
      undefined,
      'Bearer ',
      `Bearer ${operatorToken}x`,
      `Bearer ${operatorToken.slice(0, -1)}`,
      operatorToken,
      basic('wrong'),
      `Basic ${Buffer.from(operatorToken).toString('base64')}`,
    ]) {
      const refused = await ask(path, authorization === undefined ? {} : { authorization }, method);
      expect(refused.status).toBe(401);
      expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
      expect(await refused.json()).toMatchObject({ code: 'unauthenticated' });
    }
    for (const authorization of [`Bearer ${operatorToken}`, basic(operatorToken)])
      expect((await ask(path, { authorization }, method)).status).toBe(200);
  });

  it('[IDN10] health needs none', async () => {
    const ask = fresh({ operatorToken, asked: true });
    for (const path of ['/healthz', '/v2/health/live', '/v2/health/ready'])
      expect((await ask(path)).status).toBe(200);
  });

  it('[IDN10] where it is asked for and there is none, nobody comes in, and hears why', async () => {
    const ask = fresh({ asked: true });
    for (const authorization of ['', 'Bearer ', 'Basic Og==']) {
      const refused = await ask('/v1/devices', { authorization });
      expect(refused.status).toBe(401);
      expect(await refused.text()).toContain('SKERRY_OPERATOR_TOKEN');
    }
    expect((await fresh({ asked: false })('/v1/devices')).status).toBe(200);
    expect((await fresh({ operatorToken, asked: false })('/v1/devices')).status).toBe(401);
  });

  it('[IDN10] a password that a browser adds to another site’s request changes nothing', async () => {
    const ask = fresh({ operatorToken, asked: true });
    const status = async (method: string, from: string) => {
      const headers = { authorization: basic(operatorToken), 'sec-fetch-site': from };
      return (await ask('/v2/repository/models/digits/unload', headers, method)).status;
    };
    expect(await status('POST', 'cross-site')).toBe(403);
    expect(await status('POST', 'same-site')).toBe(403);
    expect(await status('POST', 'same-origin')).toBe(200);
    expect(await status('GET', 'cross-site')).toBe(200);
  });

  it('[IDN10] nor does a page whose browser says its origin alone', async () => {
    const ask = fresh({ operatorToken, asked: true });
    const status = async (origin: string, method = 'POST') => {
      const headers = { authorization: basic(operatorToken), host: 'fleet.example:8080', origin };
      return (await ask('/v1/fleet/stop', headers, method)).status;
    };
    for (const origin of ['http://evil.example', 'http://fleet.example', 'null'])
      expect([origin, await status(origin)]).toEqual([origin, 403]);
    expect(await status('http://fleet.example:8080')).toBe(200);
    expect(await status('http://evil.example', 'GET')).toBe(200);
  });

  it('[IDN10] without a token they are reached by our own names alone, which no page can take', async () => {
    const ask = fresh({ asked: false, names: ['Fleet.example', '::2'] });
    const status = async (host: string, method = 'POST') => {
      const headers = { host, origin: `http://${host}` };
      return (await ask('/v1/fleet/stop', headers, method)).status;
    };
    for (const host of ['127.0.0.1:8080', 'localhost', '127.8.9.1', '[::1]:80', '[::2]:80'])
      expect([host, await status(host)]).toEqual([host, 200]);
    expect(await status('fleet.example:8080')).toBe(200);
    for (const host of ['evil.example:8080', '127.0.0.1.evil.example', '192.0.2.1', ' '])
      expect([host, await status(host)]).toEqual([host, 403]);
    expect(await status('evil.example', 'GET')).toBe(403);
    const refused = await ask('/v1/devices', { host: 'evil.example' });
    expect(await refused.json()).toMatchObject({ code: 'permission_denied' });
    expect(refused.headers.get('www-authenticate')).toBeNull();
    expect((await ask('/healthz', { host: 'evil.example' })).status).toBe(200);
    // A token says who asks, by whatever name.
    const named = fresh({ operatorToken, asked: false });
    const authorization = `Bearer ${operatorToken}`;
    const headers = { host: 'fleet.lan', authorization };
    expect((await named('/v1/devices', headers)).status).toBe(200);
  });
});

describe('operators with tokens of their own', () => {
  const roles = { vera: 'viewer', pat: 'publisher', rex: 'releaser', ada: 'admin' } as const;
  const hash = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const find = (sha256: string): Operator | undefined => {
    const name = (Object.keys(roles) as (keyof typeof roles)[]).find((n) => hash(n) === sha256);
    return name && { name, role: roles[name] };
  };
  const app = new Hono<OperatorEnvironment>().all(
    '*',
    operatorGate(createOperatorCheck({ operatorToken, asked: true, find })),
    (c) => c.text(byOf(c, 'somebody')),
  );
  const ask = (token: string, method: string, path: string) =>
    app.request(path, { method, headers: { authorization: `Bearer ${token}` } });

  it.each([
    ['GET', '/v1/rollouts', ['vera', 'pat', 'rex', 'ada']],
    ['POST', '/v1/registry', ['pat', 'ada']],
    ['PUT', '/v1/registry/files/sha256:00', ['pat', 'ada']],
    ['PUT', '/v1/registry/digits/aliases/champion', ['rex', 'ada']],
    ['PUT', '/v1/registry/digits/versions/1.0.0/state', ['rex', 'ada']],
    ['POST', '/v1/rollouts', ['rex', 'ada']],
    ['POST', '/v1/rollouts/one/rollback', ['rex', 'ada']],
    ['POST', '/v1/fleet/stop', ['rex', 'ada']],
    ['PATCH', '/v1/fleet/policy', ['ada']],
    ['POST', '/v2/repository/models/digits/unload', ['ada']],
  ] as const)('[IDN14] %s %s is for its roles alone', async (method, path, allowed) => {
    for (const name of Object.keys(roles))
      expect([name, (await ask(name, method, path)).status]).toEqual([
        name,
        (allowed as readonly string[]).includes(name) ? 200 : 403,
      ]);
    expect((await ask('mallory', method, path)).status).toBe(401);
  });

  it('[IDN14] are recorded by their own name; who shows the fleet’s token says whose', async () => {
    expect(await (await ask('rex', 'POST', '/v1/rollouts')).text()).toBe('rex');
    expect(await (await ask(operatorToken, 'POST', '/v1/rollouts')).text()).toBe('somebody');
  });

  it('[IDN14] over gRPC, where no path says what is asked, admins alone come in', () => {
    const check = createOperatorCheck({ operatorToken, asked: true, find });
    expect(adminOnly(check('Bearer ada')).ok).toBe(true);
    expect(adminOnly(check(`Bearer ${operatorToken}`)).ok).toBe(true);
    expect(adminOnly(check('Bearer rex'))).toMatchObject({ error: { code: 'permission_denied' } });
    expect(adminOnly(check('Bearer mallory'))).toMatchObject({
      error: { code: 'unauthenticated' },
    });
  });
});

describe('the routes of OpenAI’s API', () => {
  const check = createOperatorCheck({ operatorToken, asked: true });
  const ask = async (certified: boolean, peer: unknown, headers: Record<string, string> = {}) => {
    const app = new Hono().all('*', textGate(check, certified), (c) => c.text('in'));
    const path = '/v1/chat/completions';
    return app.request(path, { method: 'POST', headers }, { peer });
  };
  const device = { kind: 'device', name: 'device-1' };

  it('[IDN13] are for whoever shows the operator’s token, as an API key', async () => {
    const authorization = `Bearer ${operatorToken}`;
    for (const certified of [true, false]) {
      expect((await ask(certified, undefined, { authorization })).status).toBe(200);
      const refused = await ask(certified, undefined, { authorization: `${authorization}x` });
      expect(refused.status).toBe(401);
      expect(await refused.json()).toMatchObject({ error: { code: 'unauthenticated' } });
    }
  });

  it('[IDN13] are for a device by its certificate, and by its word in the clear alone', async () => {
    const said = { 'skerry-device': 'device-1' };
    expect((await ask(true, device)).status).toBe(200);
    expect((await ask(true, device, said)).status).toBe(200);
    expect((await ask(true, device, { 'skerry-device': 'device-2' })).status).toBe(401);
    expect((await ask(true, { kind: 'coordinator', name: 'c' }, said)).status).toBe(401);
    expect((await ask(true, undefined, said)).status).toBe(401);
    expect((await ask(false, undefined, said)).status).toBe(200);
  });
});
