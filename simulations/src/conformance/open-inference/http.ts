// A client that sends exactly what it is told: what fetch would put right, or refuse, is what the cases are about.

import { Agent, request } from 'node:http';

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export interface HttpSend {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Several chunks travel with `Transfer-Encoding: chunked`. */
  readonly body?: Uint8Array | readonly Uint8Array[];
}

const timeoutMs = 30_000;

export type HttpClient = (path: string, send?: HttpSend) => Promise<HttpReply>;

export function createHttpClient(baseUrl: string): HttpClient & { close(): void } {
  const agent = new Agent({ keepAlive: true });
  const call: HttpClient = (path, { method = 'GET', headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const options = { agent, method, headers, timeout: timeoutMs };
      const sent = request(new URL(path, baseUrl), options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      });
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error(`no answer in ${timeoutMs} ms`)));
      if (body === undefined || body instanceof Uint8Array) sent.end(body);
      else {
        for (const chunk of body) sent.write(chunk);
        sent.end();
      }
    });
  return Object.assign(call, { close: () => agent.destroy() });
}
