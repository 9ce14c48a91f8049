// A link that can be cut: a TCP proxy on a loopback port, with faults that a kernel without netem cannot give.

import type { Socket } from 'node:net';
import { openLoopback } from './loopback.ts';

/** `cut`: refuses and resets. `black-hole`: accepts, and nothing ever comes through. */
export type LinkMode = 'pass' | 'cut' | 'black-hole';

export interface TcpProxy {
  readonly port: number;
  /** Bytes that clients have sent through, and that came back to them. */
  readonly bytes: { readonly up: number; readonly down: number };
  set(mode: LinkMode): void;
  /** Resets every open connection, once. */
  reset(): void;
  close(): Promise<void>;
}

export type Direction = 'up' | 'down';

/** What becomes of the bytes of one connection in one direction: whatever is forwarded arrives, in that order. */
export type Shaper = (chunk: Uint8Array, forward: (bytes: Uint8Array) => void) => void;

const asIs: Shaper = (chunk, forward) => forward(chunk);

/** @param shaperOf asked for each direction of each connection */
export async function createTcpProxy(
  target: { readonly host: string; readonly port: number },
  shaperOf: (direction: Direction) => Shaper = () => asIs,
): Promise<TcpProxy> {
  const bytes = { up: 0, down: 0 };
  let mode: LinkMode = 'pass';

  const carry = (from: Socket, to: Socket, direction: Direction): void => {
    const shape = shaperOf(direction);
    const forward = (part: Uint8Array): void => {
      if (to.destroyed || to.write(part)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    from.on('data', (chunk) => {
      if (mode !== 'pass') return; // The black hole swallows.
      bytes[direction] += chunk.byteLength;
      shape(chunk, forward);
    });
    from.on('close', () => to.destroy());
  };

  const loopback = await openLoopback(target, (client, dial) => {
    if (mode === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const upstream = dial();
    carry(client, upstream, 'up');
    carry(upstream, client, 'down');
  });
  const reset = (): void => loopback.endAll('destroy');

  return {
    port: loopback.port,
    bytes,
    set(next) {
      // What a black hole has swallowed is missing from the stream: such a connection can only be reset.
      if (next === 'cut' || mode === 'black-hole') reset();
      mode = next;
    },
    reset,
    close: loopback.close,
  };
}
