// The coordinator's end of the pipe over HTTP, by a clock that is told to go on: who counts as here, and for how long.
// What the pipe carries is the transports' contract, which simulations/ runs against a server.

import { ok } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createHttpTransport } from './http-pipe.ts';

const present = new AbortController().signal;
const message = Uint8Array.of(1);

function fresh(devicesMax = 10) {
  const clock = createVirtualClock();
  const { transport, pipe } = createHttpTransport(clock, devicesMax);
  const presence: string[] = [];
  transport.onPresence((device, online) => presence.push(`${device}:${online}`));
  const advance = (ms: number) => {
    const until = clock.nowMs() + ms;
    while (clock.runNext(until)) {}
  };
  return { transport, pipe, presence, advance };
}

it('a device that asked without waiting, and not again, is gone, and its place is free', async () => {
  const { transport, pipe, presence, advance } = fresh(1);
  expect(await pipe.down('box', false, present)).toBeUndefined();
  expect(presence).toEqual(['box:true']);
  advance(5_000);
  expect(presence).toEqual(['box:true', 'box:false']);
  expect(await transport.send('box', message)).toMatchObject({ error: { code: 'unavailable' } });
  await pipe.down('box-2', false, present);
  expect(presence).toEqual(['box:true', 'box:false', 'box-2:true']);
});

it('a device that was handed what had waited for it, and does not come again, is gone', async () => {
  const { transport, pipe, presence, advance } = fresh();
  await pipe.down('box', false, present);
  advance(4_000);
  expect(await transport.send('box', message)).toEqual(ok(undefined));
  expect(await pipe.down('box', true, present)).toEqual(message);
  advance(4_000);
  expect(presence).toEqual(['box:true']);
  advance(1_000);
  expect(presence).toEqual(['box:true', 'box:false']);
});

it('a device that keeps a request open, or comes again in time, stays', async () => {
  const { pipe, presence, advance } = fresh();
  for (let i = 0; i < 3; i++) {
    await pipe.down('box', false, present);
    advance(4_000);
  }
  const held = pipe.down('box', true, present);
  await pipe.down('box', false, present);
  advance(24_999);
  expect(presence).toEqual(['box:true']);
  advance(1);
  expect(await held).toBeUndefined();
  advance(5_000);
  expect(presence).toEqual(['box:true', 'box:false']);
});
