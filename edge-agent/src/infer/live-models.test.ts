import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResidency, tensorOf } from '@skerry/models';
import { readBundle } from '@skerry/models/node';
import { createOnnxDirectRuntime } from '@skerry/models/runtime';
import { writeSampleBundle } from '@skerry/models/testing';
import { createRandom, type Result, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { Decision } from '../route/decide.ts';
import { createAdmission } from './admission.ts';
import { createInference } from './inference.ts';
import { createLiveModels } from './live-models.ts';
import type { InferenceAnswer } from './request.ts';

const alone: Decision = { kind: 'degraded', escalate: true, reason: 'alone' };

it('[UPD18] a swap drops no request: who began on a bundle ends on it, and escalates as it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-live-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const admission = createAdmission(1_000, systemClock.monotonicMs);
  const escalatedBy: string[] = [];
  const live = createLiveModels(
    { threads: 1, deadlineMs: 10_000 },
    {
      createRuntime: createOnnxDirectRuntime,
      residency: createResidency(16 * 1024 * 1024),
      admission,
      inference: () => inference,
      clock: systemClock,
      log: silentLog,
    },
  );
  onTestFinished(() => live.close());
  const inference = createInference(
    {
      models: live.classifiers,
      admission,
      router: { decide: () => alone },
      escalator: {
        async ask({ model }) {
          escalatedBy.push(model.bundle);
          return { degraded: true, reason: 'alone', pending: true };
        },
        recall: () => undefined,
        audit: async () => {},
        settled: async () => {},
        record() {},
        deliver: () => 0,
        waiting: () => 0,
        close() {},
      },
      clock: systemClock,
      random: createRandom(1),
      onAnswer() {},
    },
    { policy: 'edge-only', deadlineMs: 10_000 },
  );
  const open = async (version: string, scale: number) => {
    await writeSampleBundle(join(folder, version), 4, { version, scale });
    return unwrap(await live.open(unwrap(await readBundle(join(folder, version), ['edge']))));
  };
  const [old, next] = [await open('1.0.0', 16), await open('1.1.0', -16)];
  live.serve(old);
  const input = unwrap(tensorOf('UINT8', [1, 1, 2, 2], [32, 0, 0, 16]));
  const ask = () => inference.infer({ model: 'sample', input });
  const answers: Promise<Result<InferenceAnswer>>[] = [];
  for (let i = 0; i < 50; i++) answers.push(ask());
  expect(live.serve(next)).toBe(old);
  for (let i = 0; i < 50; i++) answers.push(ask());
  const said = (await Promise.all(answers)).map((answer) => unwrap(answer));
  expect(said.map(({ model }) => model.bundle)).toEqual([
    ...new Array(50).fill(old.bundle.digest),
    ...new Array(50).fill(next.bundle.digest),
  ]);
  // The one says left, the other right.
  expect(new Set(said.slice(0, 50).map(({ label }) => label))).toEqual(new Set([0]));
  expect(new Set(said.slice(50).map(({ label }) => label))).toEqual(new Set([1]));
  expect(escalatedBy.filter((bundle) => bundle === old.bundle.digest)).toHaveLength(50);
  const [device] = live.devices();
  expect(device?.served.description.version).toBe('1.1.0');
  expect(live.labelsOf('sample', '1.0.0')).toEqual(['left', 'right']);
});
