// A session that outlives its worker: when the worker has died, the next run starts a new one.

import type { Runtime, Session } from '@skerry/models';
import { ok, type Result } from '@skerry/shared';

export type StageSession = Pick<Session, 'run' | 'close'>;

/** Loads at once, so that bytes which no runtime takes are known at start. */
export async function openStageSession(
  createRuntime: () => Runtime,
  model: Uint8Array,
  threads: number,
): Promise<Result<StageSession>> {
  const open = async (): Promise<Result<{ runtime: Runtime; session: Session }>> => {
    const runtime = createRuntime();
    const session = await runtime.load(model, { threads });
    if (session.ok) return ok({ runtime, session: session.value });
    await runtime.close();
    return session;
  };
  const first = await open();
  if (!first.ok) return first;
  let live: typeof first.value | undefined = first.value;

  return ok({
    async run(feeds) {
      if (live === undefined) {
        const opened = await open();
        if (!opened.ok) return opened;
        live = opened.value;
      }
      const { runtime, session } = live;
      const result = await session.run(feeds);
      if (!result.ok && result.error.code === 'unavailable') {
        live = undefined;
        await runtime.close();
      }
      return result;
    },
    async close() {
      await live?.session.close();
      await live?.runtime.close();
      live = undefined;
    },
  });
}
