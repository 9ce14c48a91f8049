// Which device a request comes from. Where devices have certificates: whom the one that was shown names, and nobody
// else. In the clear, which is loopback: whom the request says. [IDN9]

import { err, failure, nameSchema, ok, type Result } from '@skerry/shared';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { respondFailure } from './respond-failure.ts';

export interface DeviceEnvironment {
  Bindings: { peer?: Peer | undefined };
  Variables: { device: string };
}

interface Peer {
  readonly kind: 'device' | 'coordinator';
  readonly name: string;
}

const deviceHeader = 'skerry-device';

/** @param certified whether every device must show its certificate */
export const identifyDevice = (certified: boolean) =>
  createMiddleware<DeviceEnvironment>(async (c, next) => {
    const device = deviceOf(c, certified);
    if (!device.ok) return respondFailure(c, device.error);
    c.set('device', device.value);
    return next();
  });

/** Fails with why there is none. */
export function deviceOf(c: Context<DeviceEnvironment>, certified: boolean): Result<string> {
  const said = c.req.header(deviceHeader);
  return certified ? certifiedDevice(c.env.peer, said) : saidDevice(said);
}

/** What a request says must agree with its certificate; it need not say anything. */
function certifiedDevice(peer: Peer | undefined, said: string | undefined): Result<string> {
  if (peer?.kind !== 'device')
    return err(failure('unauthenticated', 'show the certificate of a device'));
  return said === undefined || said === peer.name
    ? ok(peer.name)
    : err(failure('permission_denied', `the certificate is of ${peer.name}`));
}

function saidDevice(said: string | undefined): Result<string> {
  return nameSchema.safeParse(said).success
    ? ok(said as string)
    : err(failure('invalid_argument', `expected a device's name in ${deviceHeader}`));
}
