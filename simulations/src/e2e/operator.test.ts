// A coordinator that asks for its operator's token, on loopback too, over REST and gRPC.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAuthority } from '@skerry/cloud-coordinator';
import { expect, it, onTestFinished } from 'vitest';
import { createGrpcClient } from '../conformance/open-inference/grpc.ts';
import { grpcOf } from '../conformance/open-inference/our-servers.ts';
import { startProcess } from '../fleet/process.ts';

const operatorToken = 'the-operator-token-of-one-coordinator';

it('[IDN10] a configured token is asked for over REST and over gRPC, and health without', {
  timeout: 60_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-operator-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
    'grpc-port': 0,
    'operator-token': operatorToken,
  });
  onTestFinished(coordinator.stop);
  const patch = async (headers: Record<string, string>) => {
    const type = { 'content-type': 'application/merge-patch+json' };
    const url = `${coordinator.httpUrl}/v1/fleet/policy`;
    const asked = { method: 'PATCH', headers: { ...type, ...headers }, body: '{"a":1}' };
    return (await fetch(url, asked)).status;
  };
  const authorization = `Bearer ${operatorToken}`;
  expect(await patch({})).toBe(401);
  expect(await patch({ authorization })).toBe(200);
  expect((await fetch(`${coordinator.httpUrl}/healthz`)).status).toBe(200);

  const call = async (method: 'ServerLive' | 'ServerMetadata', shown?: string) => {
    const client = createGrpcClient(grpcOf(coordinator), { authorization: shown });
    const { status } = await client.call(method, {});
    client.close();
    return status;
  };
  expect(await call('ServerLive')).toBe('OK');
  expect(await call('ServerMetadata')).toBe('UNAUTHENTICATED');
  expect(await call('ServerMetadata', `${authorization}x`)).toBe('UNAUTHENTICATED');
  expect(await call('ServerMetadata', authorization)).toBe('OK');
  expect(coordinator.lastWords()).not.toContain(operatorToken);
});

it('gRPC speaks TLS where REST does: only to who trusts the fleet’s authority, and never in the clear', {
  timeout: 60_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-operator-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'coordinator');
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    'grpc-port': 0,
    tls: 'on',
    'operator-token': operatorToken,
  });
  onTestFinished(coordinator.stop);
  const [ours, others] = await Promise.all([
    openAuthority(dataDir, Date.now()),
    openAuthority(join(folder, 'another'), Date.now()),
  ]);
  if (!ours.ok || !others.ok) throw new Error('an authority is there');
  const call = async (authority: string | undefined, authorization?: string) => {
    const client = createGrpcClient(grpcOf(coordinator), { authority, authorization });
    const request = { name: 'digits' };
    const { status, message } = await client.call('ModelMetadata', request, 5_000);
    client.close();
    return { status, name: message['name'] };
  };
  const authorization = `Bearer ${operatorToken}`;
  const { certificate } = ours.value;
  expect(await call(certificate, authorization)).toEqual({ status: 'OK', name: 'digits' });
  expect(await call(certificate)).toMatchObject({ status: 'UNAUTHENTICATED' });
  expect((await call(others.value.certificate, authorization)).status).toBe('UNAVAILABLE');
  expect((await call(undefined, authorization)).status).toBe('UNAVAILABLE');
});
