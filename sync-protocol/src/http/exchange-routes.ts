// The same Exchange over HTTP, for devices that MQTT cannot reach: a POST brings a message up and is held for the one
// that comes down; a GET is held for what comes between. docs: SPEC.md of the protocol, PIP1–PIP5.

import { envelopeBytesMax, failure } from '@skerry/shared';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { HttpPipe } from './http-pipe.ts';
import { type DeviceEnvironment, identifyDevice } from './identify-device.ts';
import { respondFailure } from './respond-failure.ts';

const cborType = 'application/cbor';

/**
 * @param certified whether every device must show its certificate
 * @param path before `/exchange` and `/hints`
 */
export function createExchangeRoutes(pipe: HttpPipe, certified: boolean, path = '/v1') {
  const app = new Hono<DeviceEnvironment>().basePath(path);
  app.use(identifyDevice(certified));
  const answer = (c: Context, message: Uint8Array | undefined) =>
    message === undefined
      ? c.body(null, 204)
      : c.body(new Uint8Array(message), 200, { 'Content-Type': cborType });

  app.post(
    '/exchange',
    bodyLimit({
      maxSize: envelopeBytesMax,
      onError: (c) => respondFailure(c, failure('too_large', `at most ${envelopeBytesMax} bytes`)),
    }),
    async (c) => {
      const message = new Uint8Array(await c.req.arrayBuffer());
      return answer(c, await pipe.up(c.var.device, message, c.req.raw.signal));
    },
  );
  app.get('/hints', async (c) => {
    const hold = c.req.query('hold') !== '0';
    return answer(c, await pipe.down(c.var.device, hold, c.req.raw.signal));
  });
  app.delete('/hints', (c) => {
    pipe.leave(c.var.device);
    return c.body(null, 204);
  });
  return app;
}
