// The same Exchange over HTTP, for devices that MQTT cannot reach: a POST brings a message up and is held for the one
// that comes down; a GET is held for what comes between. docs: SPEC.md of the protocol, PIP1–PIP5.

import { envelopeBytesMax, failure } from '@skerry/shared';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { type DeviceEnvironment, identifyDevice } from './identify-device.ts';
import { respondFailure } from './respond.ts';

export interface HttpPipe {
  /** A device's message; resolves with the next one for it, or `undefined` when there is none in time. */
  up(device: string, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** The next message for the device; `hold` false answers at once. */
  down(device: string, hold: boolean, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** The device says goodbye. */
  leave(device: string): void;
}

const cborType = 'application/cbor';

/** @param certified whether every device must show its certificate */
export function createExchangeRoutes(pipe: HttpPipe, certified: boolean) {
  const app = new Hono<DeviceEnvironment>();
  app.use(identifyDevice(certified));
  const answer = (c: Context, message: Uint8Array | undefined) =>
    message === undefined
      ? c.body(null, 204)
      : c.body(new Uint8Array(message), 200, { 'Content-Type': cborType });

  app.post(
    '/v1/exchange',
    bodyLimit({
      maxSize: envelopeBytesMax,
      onError: (c) => respondFailure(c, failure('too_large', `at most ${envelopeBytesMax} bytes`)),
    }),
    async (c) => {
      const message = new Uint8Array(await c.req.arrayBuffer());
      return answer(c, await pipe.up(c.var.device, message, c.req.raw.signal));
    },
  );
  app.get('/v1/hints', async (c) => {
    const hold = c.req.query('hold') !== '0';
    return answer(c, await pipe.down(c.var.device, hold, c.req.raw.signal));
  });
  app.delete('/v1/hints', (c) => {
    pipe.leave(c.var.device);
    return c.body(null, 204);
  });
  return app;
}
