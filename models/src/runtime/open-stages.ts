// Stages of one bundle, loaded into one runtime: they share its worker, and each has a place in the memory that models
// share.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import type { Stage } from '../bundle/manifest.ts';
import { sessionMemoryBytes } from '../bundle/session-memory.ts';
import type { TensorMap } from '../tensor.ts';
import { isAccelerated } from './execution-provider.ts';
import { type LastingSession, openLastingSession } from './lasting-session.ts';
import type { Residency } from './residency.ts';
import type { LoadOptions, Runtime } from './runtime.ts';

export interface StageOptions extends Omit<LoadOptions, 'samples'> {
  /** The memory that these stages share with others; without it they stay loaded. */
  readonly residency?: Residency;
  /** Of the first of these stages; what it gives on them is the next one's. Asked for where a provider is to be checked. */
  readonly samples?: () => readonly TensorMap[];
}

export interface OpenStages {
  /** In the stages' order. */
  readonly sessions: readonly LastingSession[];
  close(): Promise<void>;
}

/** All stages are loaded, or, with the Failure of the first that cannot be, none. */
export async function openStages(
  stages: readonly Pick<Stage, 'name' | 'inputs' | 'outputs'>[],
  bytes: ReadonlyMap<string, Uint8Array>,
  createRuntime: () => Runtime,
  { residency, samples: firstSamples, ...options }: StageOptions,
): Promise<Result<OpenStages>> {
  const runtime = createRuntime();
  const sessions: LastingSession[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sessions.map((session) => session.close()));
    await runtime.close();
  };
  let samples = (isAccelerated(runtime.executionProviders) ? firstSamples?.() : undefined) ?? [];
  // One after the other: a stage that is being loaded cannot make room for the next.
  for (const stage of stages) {
    const model = defined(bytes.get(stage.name), `stage ${stage.name}`);
    const session = await openLastingSession(runtime, model, {
      ...options,
      samples,
      ...(residency && {
        residence: { residency, bytes: sessionMemoryBytes(stage, model.byteLength) },
      }),
    });
    if (!session.ok) {
      await close();
      return err(failure(session.error.code, `stage ${stage.name}: ${session.error.message}`));
    }
    sessions.push(session.value);
    if (stage !== stages.at(-1)) samples = await samplesAfter(session.value, samples);
  }
  return ok({ sessions, close });
}

/** Beside what the stage was given, for the next of a cascade takes that again. */
async function samplesAfter(
  session: LastingSession,
  samples: readonly TensorMap[],
): Promise<readonly TensorMap[]> {
  const next: TensorMap[] = [];
  for (const sample of samples) {
    // A run may move what it is given.
    const ran = await session.run(structuredClone(sample));
    if (ran.ok) next.push({ ...sample, ...ran.value });
  }
  return next;
}
