// What would travel in the clear off this machine, which must be asked for by name.

import { err, failure, ok, type Result } from '@skerry/shared';
import { isLoopback } from '@skerry/shared/node';
import type { AgentConfig } from '../config.ts';

type Wanted = Pick<
  AgentConfig,
  'broker' | 'httpHost' | 'coordinatorUrl' | 'relayUrl' | 'webhookUrl' | 'insecure'
>;

/** Fails with `invalid_config`, naming the key. */
export function refusePlaintext(config: Wanted): Result<void> {
  if (config.insecure === 'plaintext') return ok(undefined);
  const refuse = (key: string, instead: string) =>
    err(failure('invalid_config', `${key} is not loopback: ${instead}, or --insecure plaintext`));
  const broker = new URL(config.broker);
  if (broker.protocol === 'mqtt:' && !isLoopback(broker.hostname))
    return refuse('broker', 'use mqtts://');
  const coordinator = config.coordinatorUrl && new URL(config.coordinatorUrl);
  if (coordinator && coordinator.protocol === 'http:' && !isLoopback(coordinator.hostname))
    return refuse('coordinatorUrl', 'use https://');
  const webhook = config.webhookUrl && new URL(config.webhookUrl);
  if (webhook && webhook.protocol === 'http:' && !isLoopback(webhook.hostname))
    return refuse('webhookUrl', 'use https://');
  const relay = config.relayUrl && new URL(config.relayUrl);
  if (relay && relay.protocol === 'http:' && !isLoopback(relay.hostname))
    return refuse('relayUrl', 'use https://');
  if (!isLoopback(config.httpHost))
    return refuse('httpHost', 'put a proxy with TLS before the local API');
  return ok(undefined);
}
