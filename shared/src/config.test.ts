import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  describeConfig,
  loadConfig,
  portSchema,
  redactConfig,
  secret,
  shareSchema,
} from './config.ts';

const schema = z.object({
  httpPort: portSchema.default(8080).describe('port of the API'),
  brokerUrl: z.string().optional(),
  apiToken: secret(z.string().optional()),
});

const load = (more: { file?: unknown; env?: Record<string, string>; flags?: string[] }) =>
  loadConfig(schema, {
    ...(more.file === undefined ? {} : { file: more.file }),
    environment: more.env ?? {},
    flags: more.flags ?? [],
  });

describe('config', () => {
  it('takes defaults, then the file, then the environment, then flags', () => {
    expect(load({})).toEqual({ ok: true, value: { httpPort: 8080 } });
    const file = { httpPort: 1 };
    const env = { SKERRY_HTTP_PORT: '2', PATH: 'ignored' };
    expect(load({ file })).toMatchObject({ value: { httpPort: 1 } });
    expect(load({ file, env })).toMatchObject({ value: { httpPort: 2 } });
    expect(load({ file, env, flags: ['--http-port=3'] })).toMatchObject({ value: { httpPort: 3 } });
    expect(load({ flags: ['--http-port', '4'] })).toMatchObject({ value: { httpPort: 4 } });
  });

  it.each([
    ['file', { file: { htpPort: 1 } }, 'htpPort'],
    ['file that is no object', { file: [1] }, 'one JSON object'],
    ['environment', { env: { SKERRY_HTP_PORT: '1' } }, 'SKERRY_HTP_PORT'],
    ['flag', { flags: ['--htp-port', '1'] }, '--htp-port'],
    ['flag without a value', { flags: ['--http-port'] }, 'needs a value'],
    ['value', { flags: ['--http-port', '70000'] }, 'httpPort'],
    ['empty value', { env: { SKERRY_HTTP_PORT: '' } }, 'httpPort'],
    ['value that is no number', { flags: ['--http-port', 'abc'] }, 'whole number'],
    ['value of another kind', { file: { httpPort: true } }, 'whole number'],
  ])('refuses a typo in the %s and names it', (_, sources, named) => {
    const loaded = load(sources);
    expect(loaded).toMatchObject({ ok: false, error: { code: 'invalid_config' } });
    expect(!loaded.ok && loaded.error.message).toContain(named);
  });

  it('names a mistyped flag once, and not its value', () => {
    const loaded = load({ flags: ['--htp-port', '1', '--http-port', '2'] });
    expect(!loaded.ok && loaded.error.message).toBe('configuration: unknown flag --htp-port');
  });

  it.each([
    ['0.01', 0.01],
    ['1', 1],
    [0.5, 0.5],
    ['1.5', undefined],
    ['1e-3', undefined],
    ['.5', undefined],
  ])('reads %s as a share', (given, share) =>
    expect(shareSchema.safeParse(given).data).toBe(share),
  );

  it('prints no secret', () => {
    const loaded = load({ env: { SKERRY_API_TOKEN: 'hunter2' } });
    if (!loaded.ok) throw new Error(loaded.error.message);
    expect(loaded.value.apiToken).toBe('hunter2');
    expect(JSON.stringify(redactConfig(schema, loaded.value))).not.toContain('hunter2');
  });

  it('describes each key with its flag, its variable and its default', () => {
    expect(describeConfig(schema)).toContain('--http-port');
    expect(describeConfig(schema)).toContain('port of the API (default 8080; SKERRY_HTTP_PORT)');
  });
});
