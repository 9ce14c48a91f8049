// fetch, to the coordinator. Over TLS it shows our certificate and believes the fleet's authority alone; a renewed
// certificate is shown from the next request on, and what is under way ends on the connection that it has. By undici,
// Node's own fetch as a package: the built-in one cannot be told who we are.

import type { PeerCertificate } from 'node:tls';
import type { TlsMaterial } from '@skerry/shared/node';
import type { Agent, fetch as undiciFetch } from 'undici';

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export interface CoordinatorFetch {
  /** Rejects, as any fetch does; over TLS also while there is no certificate yet. */
  readonly fetch: Fetch;
  /** Ends what is under way. */
  close(): Promise<void>;
}

const connectTimeoutMs = 10_000;

/** @param checkServer in place of the host name: a relay is known by its certificate, under whatever address */
export function createCoordinatorFetch(
  identity: () => TlsMaterial | undefined,
  checkServer?: (host: string, certificate: PeerCertificate) => Error | undefined,
): CoordinatorFetch {
  let shown: { readonly cert: string; readonly agent: Agent } | undefined;
  let closed = false;

  const agentFor = (undici: { readonly Agent: typeof Agent }): Agent => {
    const current = identity();
    if (current === undefined) throw new TypeError('no certificate yet');
    if (closed) throw new TypeError('closed');
    if (shown?.cert === current.cert) return shown.agent;
    const { key, cert, ca } = current;
    // A new one for each certificate, so that no TLS session of the old one is resumed.
    const agent = new undici.Agent({
      connect: {
        key,
        cert,
        ca,
        timeout: connectTimeoutMs,
        ...(checkServer === undefined ? {} : { checkServerIdentity: checkServer }),
      },
    });
    void shown?.agent.close();
    shown = { cert, agent };
    return agent;
  };

  return {
    async fetch(url, init) {
      if (new URL(url).protocol !== 'https:') return fetch(url, init);
      // Loaded with the first request over TLS: many agents make none.
      const undici = await import('undici');
      const options = { ...init, dispatcher: agentFor(undici) } as Parameters<
        typeof undiciFetch
      >[1];
      return (await undici.fetch(url, options)) as unknown as Response;
    },
    async close() {
      closed = true;
      await shown?.agent.destroy();
    },
  };
}
