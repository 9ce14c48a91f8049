// fetch, to the coordinator, as its operator: over TLS it believes the fleet's authority alone where that is given, and
// else whom the system believes. By undici, Node's own fetch as a package: the built-in one cannot be told whom to believe.

import type { Fetch } from '@skerry/shared/node';
import { Agent, fetch as undiciFetch } from 'undici';

const connectTimeoutMs = 10_000;

/** @param ca PEM */
export function createOperatorFetch(ca: string | undefined): {
  readonly fetch: Fetch;
  close(): Promise<void>;
} {
  const agent = new Agent({
    connect: { timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca }) },
  });
  return {
    async fetch(url, init) {
      const options = { ...init, dispatcher: agent } as Parameters<typeof undiciFetch>[1];
      return (await undiciFetch(url, options)) as unknown as Response;
    },
    close: () => agent.destroy(),
  };
}
