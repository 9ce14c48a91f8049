import { loadConfig } from '@skerry/shared';
import { loadProcessConfig } from '@skerry/shared/node';
import { describe, expect, it } from 'vitest';
import { coordinatorConfigSchema } from './config.ts';

const load = (...flags: string[]) =>
  loadConfig(coordinatorConfigSchema, { environment: {}, flags });

describe('the configuration', () => {
  it('has a default for everything but a broker of yours', () => {
    expect(load()).toMatchObject({ ok: true, value: { httpPort: 8080, mqttPort: 1883 } });
  });

  it('leaves alone what the operator’s command line reads', () => {
    const environment = { SKERRY_COORDINATOR: 'https://cloud.example', SKERRY_CA: 'ca.pem' };
    expect(loadProcessConfig(coordinatorConfigSchema, [], environment)).toMatchObject({ ok: true });
    const other = { SKERRY_COORDINATE: 'x' };
    expect(loadProcessConfig(coordinatorConfigSchema, [], other)).toMatchObject({ ok: false });
  });

  it('lets no client wait for ever that did not ask for it', () => {
    expect(load()).toMatchObject({ value: { queueTimeoutMs: 30_000 } });
    expect(load('--queue-timeout-ms', '0')).toMatchObject({ value: { queueTimeoutMs: 0 } });
  });

  it.each([
    ['--htp-port', '1'],
    ['--http-port', '70000'],
    ['--http-port', 'eighty'],
    ['--broker', 'https://example.org'],
    ['--batch-rows-max', '0'],
    ['--operator-token', 'short'],
  ])('refuses %s %s', (flag, value) => {
    expect(load(flag, value)).toMatchObject({ ok: false, error: { code: 'invalid_config' } });
  });
});
