// A client's thread, as it ships: a masked round's later stages reach the one that began it, and nobody else.

import * as x509 from '@peculiar/x509';
import { knownNetworks, layoutOf, trainableOf } from '@skerry/models/training';
import { systemClock } from '@skerry/shared/node';
import { layoutSize, parameterLayoutSchema, type QueryPlan } from '@skerry/sync-protocol/learn';
import { encodeSecurePlan } from '@skerry/sync-protocol/secure-aggregation';
import { sampleLearnPlan, sampleSecurePlan } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { Examples } from '../learn/examples.ts';
import { createClientRunner } from './client-runner.ts';

const layout = parameterLayoutSchema.parse(layoutOf(trainableOf(knownNetworks['2nn'].network)));
const plan = sampleLearnPlan({
  layout,
  batch: 1,
  learningRate: 0.1,
});
const examples: Examples = {
  datatype: 'UINT8',
  shape: [1, 28, 28],
  inputs: new Uint8Array(2 * 784),
  labels: Int32Array.of(1, 2),
};

async function identityOf(name: string) {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const signed = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const certificate = signed.toString('pem');
  return {
    key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    certificate,
    authority: certificate,
  };
}

it('[LEA18] a masked round’s stages reach the thread that trained, until another attempt begins or its run is forgotten', async () => {
  const identity = await identityOf('device-1');
  const runner = createClientRunner({
    device: 'device-1',
    policy: { thresholdMin: 2, adversary: 'curious' },
    identity: () => identity,
    clock: systemClock,
  });
  onTestFinished(runner.close);
  const at = { run: 'run', round: 1, attempt: 1 };
  const work = { examples: { train: examples, heldOut: examples }, seed: 1 };
  const ask = (message: Parameters<typeof runner.start>[0]['message']) =>
    runner.start({ ...work, message, state: new Map() }).done;
  const values = layoutSize(layout);
  const secure = encodeSecurePlan(sampleSecurePlan({ values }));
  const train = {
    ...at,
    type: 'train',
    plan,
    parameters: new Float32Array(values),
    secure,
  } as const;
  const shares = { ...at, type: 'secure', stage: 'shares', payload: Uint8Array.of(1) } as const;

  expect(await ask(shares)).toMatchObject({ error: { code: 'expired' } });
  expect(await ask(train)).toMatchObject({ value: { reply: { type: 'secure', stage: 'keys' } } });
  // It is the one that knows the attempt, and these are no words of the protocol.
  for (let i = 0; i < 2; i++)
    expect(await ask(shares)).toMatchObject({ error: { code: 'malformed_message' } });
  expect(await ask({ ...shares, attempt: 2 })).toMatchObject({ error: { code: 'expired' } });
  await ask({ ...train, attempt: 2 });
  expect(await ask(shares)).toMatchObject({ error: { code: 'expired' } });
  // What was trained on may be used no longer.
  runner.forget('another run');
  expect(await ask({ ...shares, attempt: 2 })).toMatchObject({
    error: { code: 'malformed_message' },
  });
  const query: QueryPlan = {
    version: 3,
    model: 'digits',
    base: plan.base,
    question: { kind: 'labels', labels: ['0', '1', '2'] },
    examplesMax: 10,
    seed: 1,
  };
  const clear = await ask({ ...at, run: 'asked', type: 'query', plan: query });
  expect(clear).toMatchObject({ value: { reply: { type: 'queried', examples: 2 } } });
  expect(await ask({ ...shares, attempt: 2 })).toMatchObject({
    error: { code: 'malformed_message' },
  });
  runner.forget('run');
  expect(await ask({ ...shares, attempt: 2 })).toMatchObject({ error: { code: 'expired' } });
  // One masked round at a time, also where the later one comes to nothing.
  await ask(train);
  const unfit = { ...query, secure: sampleSecurePlan({ values: 1 }) };
  const masked = await ask({ ...at, run: 'asked', type: 'query', plan: unfit });
  expect(masked).toMatchObject({ error: { code: 'invalid_argument' } });
  expect(await ask(shares)).toMatchObject({ error: { code: 'expired' } });
});
