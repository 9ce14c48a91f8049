// Both servers of ours, as processes, pass the whole kit; and the kit sees a server that differs.

import { createServer } from 'node:http';
import { listenHttp } from '@skerry/shared/node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { modelNames } from './case.ts';
import { createGrpcClient } from './grpc.ts';
import { createHttpClient } from './http.ts';
import { grpcOf, type OurServers, startOurServers } from './our-servers.ts';
import { cases, runCases } from './run-cases.ts';

let ours: OurServers;
beforeAll(async () => {
  ours = await startOurServers();
}, 60_000);
afterAll(() => ours.close());

const resultsOf = async (url: string, grpcAddress?: string) => {
  const http = createHttpClient(url);
  onTestFinished(http.close);
  if (grpcAddress === undefined) return runCases({ http, models: modelNames });
  const grpc = createGrpcClient(grpcAddress);
  onTestFinished(grpc.close);
  return runCases({ http, grpc, models: modelNames });
};

describe('the conformance kit of the Open Inference Protocol', () => {
  it.each(['agent', 'coordinator'] as const)(
    'is passed by the %s, every case',
    async (which) => {
      const results = await resultsOf(ours[which].httpUrl, grpcOf(ours[which]));
      expect(results.filter(({ outcome }) => outcome !== 'pass')).toEqual([]);
      expect(results).toHaveLength(cases.length);
    },
    60_000,
  );

  it('is passed by no server that says yes to everything', async () => {
    const server = createServer((_, response) => response.end('{}'));
    const listening = await listenHttp(server, '127.0.0.1', 0);
    if (!listening.ok) throw new Error(listening.error.message);
    onTestFinished(listening.value.close);
    const results = await resultsOf(listening.value.url);
    const passed = results.filter(({ outcome }) => outcome === 'pass').map(({ name }) => name);
    expect(passed).toEqual(['health: live and ready are 200', 'ready of a model']);
  });
});
