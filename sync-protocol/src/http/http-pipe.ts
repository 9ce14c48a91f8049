// The coordinator's end of the pipe over HTTP: messages for a device go into the request that it keeps open, or wait a
// moment in a small box for the next one. What the box drops costs time alone: the device asks again.

import { type Clock, err, failure, ok } from '@skerry/shared';
import type { CoordinatorTransport } from '../ports.ts';

export interface HttpPipe {
  /** A device's message; resolves with the next one for it, or `undefined` when there is none in time. */
  up(device: string, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** The next message for the device; `hold` false answers at once. */
  down(device: string, hold: boolean, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** The device says goodbye. */
  leave(device: string): void;
}

/** Proxies give up on a request after 30 s or more. */
const holdMs = 25_000;
/** Without a request for so long, a device is gone. */
const absentAfterMs = 5_000;
const boxMessagesMax = 8;

interface Waiter {
  readonly kind: 'up' | 'down';
  readonly resolve: (message: Uint8Array | undefined) => void;
}

interface Line {
  readonly waiters: Waiter[];
  readonly box: Uint8Array[];
  /** Counts what it does, so that a timer knows whether anything has happened since. */
  turns: number;
}

export function createHttpTransport(
  clock: Clock,
  devicesMax: number,
): { readonly transport: CoordinatorTransport; readonly pipe: HttpPipe } {
  const lines = new Map<string, Line>();
  let onMessage: (device: string, message: Uint8Array) => void = () => {};
  let onPresence: (device: string, online: boolean) => void = () => {};
  let closed = false;

  const lineOf = (device: string): Line | undefined => {
    const known = lines.get(device);
    if (known !== undefined) return known;
    if (closed || lines.size >= devicesMax) return undefined;
    const line: Line = { waiters: [], box: [], turns: 0 };
    lines.set(device, line);
    onPresence(device, true);
    return line;
  };

  const leave = (device: string): void => {
    const line = lines.get(device);
    if (line === undefined || !lines.delete(device)) return;
    for (const { resolve } of line.waiters.splice(0)) resolve(undefined);
    onPresence(device, false);
  };

  /** Whoever has been answered, and has not come again in time, is gone. */
  const expectAgain = (device: string, line: Line): void => {
    const turn = line.turns;
    clock.after(absentAfterMs, () => {
      if (line.turns === turn && line.waiters.length === 0 && lines.get(device) === line)
        leave(device);
    });
  };

  const wait = (
    device: string,
    kind: Waiter['kind'],
    forMs: number,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> => {
    const line = lineOf(device);
    if (line === undefined) return Promise.resolve(undefined);
    line.turns++;
    const kept = kind === 'down' ? line.box.shift() : undefined;
    if (kept !== undefined || forMs === 0) {
      expectAgain(device, line);
      return Promise.resolve(kept);
    }
    return new Promise((done) => {
      const resolve = (message: Uint8Array | undefined): void => {
        timer.cancel();
        signal.removeEventListener('abort', giveUp);
        const place = line.waiters.indexOf(waiter);
        if (place !== -1) line.waiters.splice(place, 1);
        line.turns++;
        expectAgain(device, line);
        done(message);
      };
      const giveUp = (): void => resolve(undefined);
      const waiter: Waiter = { kind, resolve };
      const timer = clock.after(forMs, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      line.waiters.push(waiter);
    });
  };

  return {
    pipe: {
      up(device, message, signal) {
        const reply = wait(device, 'up', holdMs, signal);
        onMessage(device, message);
        return reply;
      },
      down: (device, hold, signal) => wait(device, 'down', hold ? holdMs : 0, signal),
      leave,
    },
    transport: {
      onMessage(listener) {
        onMessage = listener;
      },
      onPresence(listener) {
        onPresence = listener;
      },
      async send(device, message) {
        const line = lines.get(device);
        if (line === undefined) return err(failure('unavailable', 'no request of this device'));
        const waiter = line.waiters.find(({ kind }) => kind === 'up') ?? line.waiters[0];
        if (waiter !== undefined) waiter.resolve(message);
        else if (line.box.push(message) > boxMessagesMax) line.box.shift();
        return ok(undefined);
      },
      async close() {
        closed = true;
        for (const device of [...lines.keys()]) leave(device);
      },
    },
  };
}

/** Several pipes as one: a device is answered where it was heard last. */
export function joinTransports(
  transports: readonly CoordinatorTransport[],
  devicesMax: number,
): CoordinatorTransport {
  const heardOn = new Map<string, CoordinatorTransport>();
  const remember = (device: string, transport: CoordinatorTransport): void => {
    heardOn.delete(device);
    heardOn.set(device, transport);
    const [oldest] = heardOn.keys();
    if (heardOn.size > devicesMax && oldest !== undefined) heardOn.delete(oldest);
  };
  return {
    onMessage(listener) {
      for (const transport of transports)
        transport.onMessage((device, message) => {
          remember(device, transport);
          listener(device, message);
        });
    },
    onPresence(listener) {
      for (const transport of transports) transport.onPresence(listener);
    },
    async send(device, message) {
      const transport = heardOn.get(device) ?? transports[0];
      return transport === undefined
        ? err(failure('unavailable', 'no pipe'))
        : transport.send(device, message);
    },
    async close() {
      for (const transport of transports) await transport.close();
    },
  };
}
