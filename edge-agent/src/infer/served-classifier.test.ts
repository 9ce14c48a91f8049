import { createModelStatistics } from '@skerry/models/open-inference';
import { err, failure } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import type { Model } from './model.ts';
import type { InferenceRequest } from './request.ts';
import { serveClassifier } from './served-classifier.ts';

const manifest = {
  name: 'sample',
  version: '1',
  licence: 'none',
  task: 'image-classification',
  labels: ['left', 'right'],
  inputs: [{ name: 'image', datatype: 'UINT8', shape: [1] }],
};
const image = { datatype: 'UINT8' as const, shape: [1], data: Uint8Array.of(1) };

/** The deadline that the device is asked to keep. */
async function deadlineOf(askedMs: number | undefined, deadlineLeftMs: number | undefined) {
  const requests: InferenceRequest[] = [];
  const served = serveClassifier(
    { manifest, variant: 'sha256:0', ready: () => true } as unknown as Model,
    {
      async infer(request) {
        requests.push(request);
        return err(failure('unavailable', 'it is enough to have been asked'));
      },
    },
    createModelStatistics(),
    createVirtualClock(),
  );
  const parameters: Record<string, number> =
    askedMs === undefined ? {} : { skerry_deadline_ms: askedMs };
  const { signal } = new AbortController();
  await served.infer(
    { inputs: { image }, parameters, binary: () => false },
    { signal: () => signal, ...(deadlineLeftMs === undefined ? {} : { deadlineLeftMs }) },
  );
  return requests[0]?.deadlineMs;
}

it('a deadline is what the request says or its transport carries, whichever ends first', async () => {
  expect(await deadlineOf(undefined, undefined)).toBeUndefined();
  expect(await deadlineOf(500, undefined)).toBe(500);
  expect(await deadlineOf(undefined, 50)).toBe(50);
  expect(await deadlineOf(500, 50)).toBe(50);
  expect(await deadlineOf(50, 500)).toBe(50);
  expect(await deadlineOf(undefined, 0)).toBe(0);
  expect(await deadlineOf(undefined, 2 ** 31)).toBe(600_000);
});
