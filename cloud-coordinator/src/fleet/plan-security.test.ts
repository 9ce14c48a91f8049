import { describe, expect, it } from 'vitest';
import { planSecurity } from './plan-security.ts';

const local = {
  httpHost: '127.0.0.1',
  mqttHost: 'localhost',
  broker: undefined,
  tls: 'auto',
} as const;
const plan = (changed: Partial<Parameters<typeof planSecurity>[0]>) =>
  planSecurity({ ...local, insecure: undefined, ...changed });

describe('where TLS is', () => {
  it('[IDN8] is off loopback, and on loopback where asked', () => {
    expect(plan({})).toMatchObject({ value: { httpTls: false, mqttTls: false } });
    expect(plan({ mqttHost: '0.0.0.0' })).toMatchObject({
      value: { httpTls: false, mqttTls: true },
    });
    expect(plan({ httpHost: '::' })).toMatchObject({ value: { httpTls: true } });
    expect(plan({ tls: 'on' })).toMatchObject({ value: { httpTls: true, mqttTls: true } });
  });

  it('[IDN8] plaintext off loopback is asked for by name', () => {
    const broker = 'mqtt://broker.example';
    expect(plan({ broker })).toMatchObject({ error: { code: 'invalid_config' } });
    expect(plan({ broker, insecure: 'plaintext' })).toMatchObject({ ok: true });
    expect(plan({ httpHost: '0.0.0.0', insecure: 'plaintext' })).toMatchObject({
      value: { httpTls: false },
    });
  });

  it('[IDN10] the operator is asked who they are off loopback, in the clear too, and over TLS', () => {
    const asked = (change: Parameters<typeof plan>[0]) => {
      const planned = plan(change);
      return planned.ok && planned.value.operatorAsked;
    };
    expect(asked({})).toBe(false);
    expect(asked({ mqttHost: '0.0.0.0' })).toBe(false);
    expect(asked({ tls: 'on' })).toBe(true);
    expect(asked({ httpHost: '0.0.0.0' })).toBe(true);
    expect(asked({ httpHost: '0.0.0.0', insecure: 'plaintext' })).toBe(true);
  });

  it('[BLA5] a device is known by certificate only where both ways ask for one', () => {
    const certified = (change: Parameters<typeof plan>[0]) => {
      const planned = plan(change);
      return planned.ok && planned.value.certified;
    };
    expect(certified({})).toBe(false);
    expect(certified({ tls: 'on' })).toBe(true);
    expect(certified({ httpHost: '0.0.0.0' })).toBe(false);
    expect(certified({ tls: 'on', broker: 'mqtts://b' })).toBe(true);
    expect(certified({ tls: 'on', broker: 'mqtts://u:p@b' })).toBe(false);
    expect(certified({ tls: 'on', broker: 'mqtt://127.0.0.1' })).toBe(false);
  });

  it('a Mosquitto that is told of revocations is one that knows certificates', () => {
    const mosquittoDir = '/etc/mosquitto/skerry';
    expect(plan({ mosquittoDir })).toMatchObject({ error: { code: 'invalid_config' } });
    expect(plan({ mosquittoDir, broker: 'mqtts://b' })).toMatchObject({ ok: true });
  });

  it('a broker knows us by certificate, or by a user name', () => {
    expect(plan({ broker: 'mqtts://b' })).toMatchObject({ value: { brokerIdentity: true } });
    expect(plan({ broker: 'mqtts://u:p@b' })).toMatchObject({
      value: { brokerIdentity: false },
    });
  });
});
