// An HTTP or HTTPS server on its port, with a bound on connections and a close that lets what is under way finish.

import { once } from 'node:events';
import type { Server } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { sleep } from '../clock.ts';
import { failure, messageOf } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';
import { systemClock } from './system-clock.ts';

const connectionsMax = 1_024;
/** How long responses under way may take at the end; event streams never end by themselves. */
const graceMs = 500;

export interface Listening {
  readonly url: string;
  /** Takes no more requests, gives those under way a moment, then ends every connection. */
  close(): Promise<void>;
}

/** Port 0 takes a free one. Fails with `unavailable` where the address cannot be had. */
export async function listenHttp(
  server: Server,
  host: string,
  port: number,
): Promise<Result<Listening>> {
  server.maxConnections = connectionsMax;
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (thrown) {
    return err(failure('unavailable', `HTTP on ${host}:${port}: ${messageOf(thrown)}`));
  }
  const address = server.address() as AddressInfo;
  return ok({
    url: `${server instanceof HttpsServer ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await Promise.race([closed, sleep(systemClock, graceMs)]);
      server.closeAllConnections();
      await closed;
    },
  });
}
