// An HTTP server on its port, with a bound on connections and a close that ends event streams too.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { failure, messageOf } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';
import type { Opened } from './run-process.ts';

const connectionsMax = 1_024;

/** Port 0 takes a free one. Returns the server's URL, or `unavailable` where the address cannot be had. */
export async function listenHttp(
  server: Server,
  host: string,
  port: number,
  opened: Opened,
): Promise<Result<string>> {
  server.maxConnections = connectionsMax;
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (thrown) {
    return err(failure('unavailable', `HTTP on ${host}:${port}: ${messageOf(thrown)}`));
  }
  opened.push(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections(); // Event streams never end by themselves.
    await closed;
  });
  const address = server.address() as AddressInfo;
  return ok(`http://${host.includes(':') ? `[${host}]` : host}:${address.port}`);
}
