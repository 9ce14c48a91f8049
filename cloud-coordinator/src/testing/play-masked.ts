// Masked runs over devices that are played: each masks by the protocol itself, and may fall silent at any of its stages.

import { assert, defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { type LearnTask, type SecureStage, secureStages } from '@skerry/sync-protocol/learn';
import { decodeSecurePlan, quantiseInput } from '@skerry/sync-protocol/secure-aggregation';
import { createSecureCohort } from '@skerry/sync-protocol/testing';
import { expect } from 'vitest';
import { runOwner } from '../learn/runs/model-blobs.ts';
import type { RunPlan } from '../learn/runs/run-plan.ts';
import type { RunState } from '../learn/runs/run-state.ts';
import { openRuns } from '../learn/runs/runs.ts';
import type { LearnResult } from './learn-devices.ts';
import { createLearnFleet, type LearnFleet } from './learn-fleet.ts';
import { weightsOf } from './run-turns.ts';

export const maskedDevices = 6;

/** Whether a device says nothing to a question. */
export type Silence = (device: string, stage: SecureStage, attempt: number) => boolean;
export const silentFrom =
  (of: ReadonlyMap<string, SecureStage>): Silence =>
  (device, stage) => {
    const from = of.get(device);
    return from !== undefined && secureStages.indexOf(stage) >= secureStages.indexOf(from);
  };

export interface MaskedPlayOptions {
  readonly answer?: (
    device: string,
    task: LearnTask,
    clear: LearnResult,
  ) => LearnResult | undefined;
  /** Answered a turn later. */
  readonly isLate?: (device: string, task: LearnTask) => boolean;
  readonly onTurn?: (fleet: LearnFleet, state: RunState) => Promise<void>;
  /** How many numbers the model has. */
  readonly size?: number;
}

/** Each device's update is all that it lacks of where it pulls to. A coordinator is started anew at every turn. */
export async function playMasked(
  wanted: RunPlan,
  isSilent: Silence = () => false,
  { answer, isLate, onTurn, size = 8 }: MaskedPlayOptions = {},
) {
  const names = Array.from({ length: maskedDevices }, (_, i) => `device-${i + 1}`);
  const cohort = createSecureCohort(names);
  const inputs = new Map<string, Uint32Array>();
  const late: [string, LearnTask][] = [];
  let model = new Float32Array(size);
  const reply = (device: string, { run, round, attempt, work: asked }: LearnTask): LearnResult => {
    const { participant, ports } = defined(cohort.members.get(device), device);
    const session = { run, round, attempt };
    if (asked.type === 'secure') {
      assert(asked.payload instanceof Uint8Array, 'it fits a task');
      const taken = participant.take(session, asked.payload, inputs.get(device));
      return { type: 'secure', stage: asked.stage, payload: unwrap(taken) };
    }
    assert(asked.type === 'train' && asked.secure !== undefined, 'a masked task');
    const secure = unwrap(decodeSecurePlan(asked.secure));
    const pull = defined(fleet.pulls.get(device), 'its pull');
    const update = pull.map((value, i) => value - (model[i] ?? 0));
    inputs.set(device, unwrap(quantiseInput(secure, update, 100, ports.cryptography)).words);
    return { type: 'secure', stage: 'keys', payload: unwrap(participant.join(session, secure)) };
  };
  const fleet = createLearnFleet({
    devices: maskedDevices,
    size,
    answer(device, task) {
      const stage = task.work.type === 'secure' ? task.work.stage : 'keys';
      if (isSilent(device, stage, task.attempt)) return undefined;
      if (isLate?.(device, task)) {
        late.push([device, task]);
        return undefined;
      }
      return answer?.(device, task, clear) ?? reply(device, task);
    },
  });
  const update = await fleet.putUpdate(new Float32Array(size).fill(9));
  const counts = { examples: 100, steps: 1, completed: 1, metrics: {} };
  const clear: LearnResult = { type: 'trained', ...counts, update };
  const { cryptography, verifier } = cohort;
  const ports = { ...fleet.ports, masking: { cryptography, verifier } };
  unwrap(await unwrap(await openRuns(ports)).start(wanted, 'me'));
  let state: RunState | undefined;
  for (let turn = 0; turn < 200; turn++) {
    const runs = unwrap(await openRuns(ports)); // What the one before knew is gone.
    unwrap(await runs.turn());
    state = defined(runs.get('run-1'), 'the run');
    if (!('untilMs' in state.phase)) break;
    if (state.phase.kind === 'aggregating' && state.phase.masked !== undefined) {
      const { state: stored, inputs: came } = state.phase.masked;
      for (const { digest } of [stored, ...came.map(({ input }) => input)])
        expect(ports.references.owners(digest)).toContain(runOwner('run-1'));
    }
    for (const [device, task] of late.splice(0)) {
      const { run, round, attempt } = task;
      await fleet.reply(device, { run, round, attempt, result: reply(device, task) });
    }
    await onTurn?.(fleet, state);
    model = new Float32Array(await weightsOf(fleet, state));
    await fleet.step();
    fleet.clock.runNext(fleet.clock.nowMs() + 1_000);
  }
  const history = unwrap(await unwrap(await openRuns(ports)).history('run-1'));
  return { fleet, names, history, state: defined(state, 'the run') };
}
