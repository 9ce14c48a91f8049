// Where this coordinator speaks TLS: off loopback always, unless plaintext is asked for by name; on loopback if asked.

import { err, failure, ok, type Result } from '@skerry/shared';
import { isLoopback } from '@skerry/shared/node';
import type { CoordinatorConfig } from '../config.ts';

export interface SecurityPlan {
  readonly httpTls: boolean;
  /** Of the embedded broker. */
  readonly mqttTls: boolean;
  /** Whether a broker of the operator's knows us by our certificate: an mqtts URL without a user name. */
  readonly brokerIdentity: boolean;
  /** Whether a device is known by its certificate whichever way it comes. */
  readonly certified: boolean;
  /** Whether the operator's routes ask for a token even where none is configured. [IDN10] */
  readonly operatorAsked: boolean;
}

type Wanted = Pick<
  CoordinatorConfig,
  'httpHost' | 'mqttHost' | 'broker' | 'tls' | 'insecure' | 'mosquittoDir'
>;

/** Fails with `invalid_config` for a broker that would be spoken to in the clear. */
export function planSecurity(config: Wanted): Result<SecurityPlan> {
  const { httpHost, mqttHost, tls, insecure } = config;
  const isTls = (host: string): boolean =>
    tls === 'on' || (!isLoopback(host) && insecure === undefined);
  const broker = config.broker === undefined ? undefined : new URL(config.broker);
  if (broker?.protocol === 'mqtt:' && !isLoopback(broker.hostname) && insecure === undefined)
    return err(
      failure('invalid_config', 'broker is not loopback: use mqtts://, or --insecure plaintext'),
    );
  if (config.mosquittoDir !== undefined && broker?.protocol !== 'mqtts:')
    return err(failure('invalid_config', 'mosquittoDir needs a broker by mqtts://'));
  const httpTls = isTls(httpHost);
  const mqttTls = isTls(mqttHost);
  const brokerIdentity = broker?.protocol === 'mqtts:' && broker.username === '';
  const certified = httpTls && (broker === undefined ? mqttTls : brokerIdentity);
  const operatorAsked = httpTls || !isLoopback(httpHost);
  return ok({ httpTls, mqttTls, brokerIdentity, certified, operatorAsked });
}
