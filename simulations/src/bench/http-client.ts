// A lean client of the agent's API: node:http over kept-alive connections, so that what is timed is the agent.

import { Agent, request } from 'node:http';
import { z } from 'zod';
import { type Image, imageShape } from './image.ts';

const headerLengthName = 'inference-header-content-length';

const answerSchema = z.object({
  parameters: z.object({ source: z.string(), degraded: z.boolean() }),
});
const healthSchema = z.object({ link: z.object({ state: z.string() }) });

export interface HttpClient {
  /** Open Inference Protocol with a binary tensor; `latencyMs` ends with the last byte of the response. */
  infer(
    model: string,
    pixels: Image,
  ): Promise<{ source: string; degraded: boolean; latencyMs: number }>;
  /** The smallest thing that the API answers. */
  live(): Promise<{ latencyMs: number }>;
  linkState(): Promise<string>;
  close(): void;
}

export function createHttpClient(baseUrl: string): HttpClient {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(baseUrl);

  const call = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: Uint8Array,
  ): Promise<{ text: string; latencyMs: number }> =>
    new Promise((resolve, reject) => {
      const startedMs = performance.now();
      const sent = request({ agent, hostname, port, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const latencyMs = performance.now() - startedMs;
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve({ text, latencyMs });
          else reject(new Error(`${path}: ${response.statusCode} ${text}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });

  return {
    async infer(model, pixels) {
      const parameters = { binary_data_size: pixels.byteLength };
      const header = Buffer.from(
        JSON.stringify({
          inputs: [{ name: 'image', shape: imageShape, datatype: 'UINT8', parameters }],
          outputs: [{ name: 'label' }],
        }),
      );
      const { text, latencyMs } = await call(
        'POST',
        `/v2/models/${model}/infer`,
        { [headerLengthName]: String(header.byteLength) },
        Buffer.concat([header, pixels]),
      );
      return { ...answerSchema.parse(JSON.parse(text)).parameters, latencyMs };
    },
    live: () => call('GET', '/v2/health/live'),
    async linkState() {
      return healthSchema.parse(JSON.parse((await call('GET', '/healthz')).text)).link.state;
    },
    close: () => agent.destroy(),
  };
}
