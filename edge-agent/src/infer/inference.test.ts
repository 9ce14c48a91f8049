// One request on a device whose time stands still but where a stage runs, and whose cloud is nobody.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Tensor, tensorOf } from '@skerry/models';
import { createOnnxNativeRuntime, readBundle } from '@skerry/models/node';
import { writeSampleBundle, writeSampleCascade } from '@skerry/models/testing';
import { createRandom } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Decision } from '../route/decide.ts';
import type { Exit } from '../route/router.ts';
import { createAdmission } from './admission.ts';
import { createInference } from './inference.ts';
import { loadModel } from './model.ts';

const alone: Decision = { kind: 'degraded', escalate: false, reason: 'alone' };

const toTheEnd = ({ hasNextEdgeStage }: Exit): Decision =>
  hasNextEdgeStage ? { kind: 'next-stage', reason: 'unsure' } : alone;

/** Each run of a stage takes `stageMs`. */
async function device(
  stageMs: number,
  write: (folder: string) => Promise<unknown> = writeSampleBundle,
) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-inference-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await write(folder);
  const bundle = unwrap(await readBundle(folder, ['edge']));
  const model = unwrap(await loadModel(bundle, createOnnxNativeRuntime, { threads: 1 }));
  onTestFinished(() => model.unload());
  const clock = createVirtualClock();
  const admission = createAdmission(100, clock.monotonicMs);
  const local = { degraded: true, reason: 'alone', pending: false };
  const ranAt: number[] = [];
  const runStage: typeof model.runStage = async (place, input) => {
    ranAt.push(place);
    const ran = await model.runStage(place, input);
    clock.runNext(clock.nowMs() + stageMs);
    return ran;
  };
  const inference = createInference(
    {
      models: new Map([[bundle.manifest.name, { ...model, runStage }]]),
      admission,
      router: { decide: toTheEnd },
      escalator: {
        ask: async () => local,
        recall: () => undefined,
        audit: async () => {},
        settled: async () => {},
        record() {},
        deliver: () => 0,
        waiting: () => 0,
        close() {},
      },
      clock,
      random: createRandom(1),
      onAnswer() {},
    },
    { policy: 'edge-only', deadlineMs: 1_000 },
  );
  return { inference, admission, model, ranAt };
}

const image = (): Tensor => unwrap(tensorOf('UINT8', [1, 1, 2, 2], [255, 0, 0, 255]));

it('what a browser computed says nothing of how long the model takes here', async () => {
  const { inference, admission, model } = await device(50);
  unwrap(await inference.infer({ model: 'sample', input: image() }));
  const { logits, cut } = unwrap(await model.runStage(0, image()));
  if (cut === undefined) throw new Error('no cut');
  const results = {
    logits: { datatype: 'FP32' as const, shape: [1, 2], data: Float32Array.from(logits) },
    [cut.name]: cut.tensor,
  };
  unwrap(await inference.inferFrom({ model: 'sample' }, 0, results));
  expect(admission.enter(20).ok).toBe(true);
  expect(admission.enter(20)).toMatchObject({ error: { code: 'overloaded', retryAfterMs: 50 } });
});

describe('a request to a cascade', () => {
  const onDevice = (folder: string) => writeSampleCascade(folder, false);
  const red = (): Tensor => unwrap(tensorOf('UINT8', [1, 3, 4, 4], Array<number>(48).fill(255)));

  it('runs one model after the other while there is time', async () => {
    const { inference, ranAt } = await device(400, onDevice);
    expect(await inference.infer({ model: 'cascade', input: red() })).toMatchObject({ ok: true });
    expect(ranAt).toEqual([0, 1]);
  });

  it('runs no further one once its deadline has passed, and gives its place back', async () => {
    const { inference, admission, ranAt } = await device(1_500, onDevice);
    expect(await inference.infer({ model: 'cascade', input: red() })).toMatchObject({
      error: { code: 'deadline_exceeded' },
    });
    await vi.waitFor(() => expect(admission.waiting()).toBe(0));
    expect(ranAt).toEqual([0]);
  });
});
