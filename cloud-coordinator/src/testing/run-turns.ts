// Runs over a fleet that is played: time goes on until all have ended.

import { unwrap } from '@skerry/shared/testing';
import { layoutSize, readVector } from '@skerry/sync-protocol/learn';
import { type RunPlan, type RunPlanInput, runPlanSchema } from '../learn/runs/run-plan.ts';
import type { RunState } from '../learn/runs/run-state.ts';
import type { LearnRuns } from '../learn/runs/runs.ts';
import { learnModel } from './learn-devices.ts';
import type { LearnFleet } from './learn-fleet.ts';
import { samplePlan } from './sample-rollout.ts';

export const sampleRunPlan = (more: Partial<RunPlanInput> = {}): RunPlan =>
  runPlanSchema.parse({
    id: 'run-1',
    model: learnModel,
    base: '1.0.0',
    network: 'point',
    rounds: 3,
    clients: { target: 4, min: 2, overSelect: 1 },
    work: { learningRate: 0.5 },
    ...more,
  });

/** What a plan says of a rollout that is to follow. */
export function sampleRollOut() {
  const { waves, device, herd, gate } = samplePlan({ waves: [{}] });
  return { waves, device, herd, gate };
}

/** A second at a time. Returns whether all have ended by then. */
export async function turnRuns(
  fleet: LearnFleet,
  runs: LearnRuns,
  forMs = 3_600_000,
): Promise<boolean> {
  const endMs = fleet.clock.nowMs() + forMs;
  while (fleet.clock.nowMs() < endMs) {
    unwrap(await runs.turn());
    await fleet.step();
    if (runs.list().every(({ phase }) => !('untilMs' in phase))) return true;
    fleet.clock.runNext(fleet.clock.nowMs() + 1_000);
  }
  return false;
}

export async function weightsOf(
  fleet: LearnFleet,
  state: RunState | undefined,
): Promise<Float32Array> {
  if (state === undefined) throw new Error('no such run');
  const { digest, bytes } = state.model.parameters;
  const read = unwrap(await fleet.blobs.read(digest, 0, bytes));
  return unwrap(readVector(read, layoutSize(fleet.base.layout)));
}
