import { describe, expect, it } from 'vitest';
import { refusePlaintext } from './plaintext.ts';

const local = {
  broker: 'mqtt://127.0.0.1:1883',
  httpHost: '127.0.0.1',
  coordinatorUrl: undefined,
  insecure: undefined,
};

describe('plaintext', () => {
  it('[IDN8] is no danger on loopback', () => expect(refusePlaintext(local).ok).toBe(true));

  it.each([
    { broker: 'mqtt://broker.example' },
    { httpHost: '0.0.0.0' },
    { coordinatorUrl: 'http://cloud.example' },
    { relayUrl: 'http://relay.example' },
  ])('[IDN8] off loopback is asked for by name: %o', (changed) => {
    const config = { ...local, ...changed };
    expect(refusePlaintext(config)).toMatchObject({ error: { code: 'invalid_config' } });
    expect(refusePlaintext({ ...config, insecure: 'plaintext' }).ok).toBe(true);
  });
});
