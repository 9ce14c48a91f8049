// A session that outlives its worker: when the worker has died, the next run starts a new one.

import { ok, type Result } from '@skerry/shared';
import type { LoadOptions, Runtime, Session } from './runtime.ts';

export interface LastingSession extends Session {
  /** False from the death of a worker until a run has started another. */
  alive(): boolean;
}

/** Loads at once, so that bytes which no runtime takes are known at start. Owns the runtimes that it creates. */
export async function openLastingSession(
  createRuntime: () => Runtime,
  model: Uint8Array,
  options?: LoadOptions,
): Promise<Result<LastingSession>> {
  type Live = { readonly runtime: Runtime; readonly session: Session };
  const open = async (): Promise<Result<Live>> => {
    const runtime = createRuntime();
    const session = await runtime.load(model, options);
    if (session.ok) return ok({ runtime, session: session.value });
    await runtime.close();
    return session;
  };
  const first = await open();
  if (!first.ok) return first;
  const { inputs, outputs } = first.value.session;
  let live: Live | undefined = first.value;
  let opening: Promise<Result<Live>> | undefined;
  let closed = false;

  /** Runs that meet share one new worker. */
  const revive = async (): Promise<Result<Live>> => {
    opening ??= open();
    const opened = await opening;
    opening = undefined;
    if (opened.ok && !closed) live = opened.value;
    return opened;
  };

  return ok({
    inputs,
    outputs,
    alive: () => live !== undefined,
    async run(feeds) {
      const current: Result<Live> =
        live === undefined && !closed ? await revive() : ok(live ?? first.value);
      if (!current.ok) return current;
      const { runtime, session } = current.value;
      const result = await session.run(feeds);
      if (!result.ok && result.error.code === 'unavailable' && live?.session === session) {
        live = undefined;
        await runtime.close();
      }
      return result;
    },
    async close() {
      closed = true;
      const last = live;
      live = undefined;
      await last?.session.close();
      await last?.runtime.close();
    },
  });
}
