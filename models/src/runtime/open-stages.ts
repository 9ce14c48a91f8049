// Stages of one bundle, loaded into one runtime: they share its worker, and each has a place in the memory that models
// share.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import type { Stage } from '../bundle/manifest.ts';
import { sessionMemoryBytes } from '../bundle/session-memory.ts';
import { type LastingSession, openLastingSession } from './lasting-session.ts';
import type { Residency } from './residency.ts';
import type { LoadOptions, Runtime } from './runtime.ts';

export interface StageOptions extends LoadOptions {
  /** The memory that these stages share with others; without it they stay loaded. */
  readonly residency?: Residency;
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
  { residency, ...options }: StageOptions,
): Promise<Result<OpenStages>> {
  const runtime = createRuntime();
  const sessions: LastingSession[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sessions.map((session) => session.close()));
    await runtime.close();
  };
  // One after the other: a stage that is being loaded cannot make room for the next.
  for (const stage of stages) {
    const model = defined(bytes.get(stage.name), `stage ${stage.name}`);
    const session = await openLastingSession(runtime, model, {
      ...options,
      ...(residency && {
        residence: { residency, bytes: sessionMemoryBytes(stage, model.byteLength) },
      }),
    });
    if (!session.ok) {
      await close();
      return err(failure(session.error.code, `stage ${stage.name}: ${session.error.message}`));
    }
    sessions.push(session.value);
  }
  return ok({ sessions, close });
}
