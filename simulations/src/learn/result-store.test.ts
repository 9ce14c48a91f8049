import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createResultStore } from './result-store.ts';
import type { Trial, TrialResult } from './trial.ts';

const trial: Trial = {
  name: '2NN, IID: E1/B10',
  data: { kind: 'digits' },
  network: '2nn',
  clients: 100,
  perRound: 10,
  rounds: 300,
  local: { epochs: 1, batch: 10, learningRate: 0.1 },
  strategy: { name: 'fedavg' },
};
const result: TrialResult = {
  trial,
  seed: 1,
  points: [{ round: 1, accuracy: 0.5, loss: 1, atTime: 0, bytesUp: 10, updates: 1 }],
  roundMs: 12,
  startedAt: '2026-01-01T00:00:00.000Z',
  load: [1, 2],
};

it('keeps a result for a seed and for exactly what the trial said', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'skerry-results-')), 'made');
  const store = createResultStore(folder);
  expect(await store.find(trial, 1)).toBeUndefined();
  await store.put(result);
  expect(await createResultStore(folder).find(trial, 1)).toEqual(result);
  expect(await store.find(trial, 2)).toBeUndefined();
  expect(await store.find({ ...trial, rounds: 299 }, 1)).toBeUndefined();
  expect(await readdir(folder)).toEqual([
    expect.stringMatching(/^2nn-iid-e1-b10\.1\..{12}\.json$/),
  ]);
});
