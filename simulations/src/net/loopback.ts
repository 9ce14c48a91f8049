// A TCP server on a free port of the loopback whose sockets, its own and those it opens for them, can be ended at once.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { assert } from '@skerry/shared';

export interface Loopback {
  readonly port: number;
  /** Ends every open connection, once. */
  endAll(how: 'destroy' | 'resetAndDestroy'): void;
  close(): Promise<void>;
}

/** @param serve gets each client, and how to reach `target` for it */
export async function openLoopback(
  target: { readonly host: string; readonly port: number },
  serve: (client: Socket, dial: () => Socket) => void,
): Promise<Loopback> {
  const open = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    return socket;
  };
  const endAll: Loopback['endAll'] = (how) => {
    for (const socket of open) socket[how]();
  };
  const server = createServer((client) => serve(track(client), () => track(connect(target))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null, 'a listening server has an address');
  return {
    port: address.port,
    endAll,
    async close() {
      endAll('destroy');
      server.close();
      await once(server, 'close');
    },
  };
}
