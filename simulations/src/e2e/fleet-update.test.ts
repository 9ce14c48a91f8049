// The whole of `npm run rollout`, with few agents and little training.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { testImages } from '../demo/test-images.ts';
import { makeVersions } from '../fleet-update/make-versions.ts';
import { promisesOf } from '../fleet-update/report.ts';
import { runStory } from '../fleet-update/run-story.ts';

it('a good version reaches every agent, one that learned nothing is caught in its canary by how it answers, and one order takes back the good one too', {
  timeout: 180_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-versions-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const effort = { goodSteps: 5, badSteps: 10, imageShare: 0.25 };
  const events: string[] = [];
  const end = await runStory({
    agents: 4,
    canary: 3,
    versions: await makeVersions(folder, effort, () => {}),
    images: await testImages(1_000),
    imagesPerSecond: 20,
    baselineSeconds: 2,
    soakMs: 2_500,
    onEvent: (text) => events.push(text),
  });
  expect(
    promisesOf(end).filter(({ kept }) => !kept),
    [...events, end.lastFailure].join('\n'),
  ).toEqual([]);
});
