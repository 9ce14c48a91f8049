// A session that outlives its worker and its place in memory: where the worker has died, or the memory was needed for
// another, the next run loads it again.

import { ok, type Result } from '@skerry/shared';
import type { Residency, Resident } from './residency.ts';
import type { LoadOptions, Runtime, Session } from './runtime.ts';

export interface LastingSession extends Session {
  /** False from the death of a worker until a run has started another. */
  alive(): boolean;
}

export interface LastingOptions extends LoadOptions {
  /** Shares memory with others: `bytes` is what this session takes of it. */
  readonly residence?: { readonly residency: Residency; readonly bytes: number };
}

interface Live {
  readonly session: Session;
  readonly resident: Resident | undefined;
}

/** Loads at once, so that bytes which no runtime takes are known at start. The runtime stays its caller's. */
export async function openLastingSession(
  runtime: Runtime,
  model: Uint8Array,
  { residence, ...options }: LastingOptions = {},
): Promise<Result<LastingSession>> {
  let live: Live | undefined;
  let opening: Promise<Result<Live>> | undefined;
  let died = false;
  let closed = false;

  const unload = async (): Promise<void> => {
    const last = live;
    live = undefined;
    last?.resident?.leave();
    await last?.session.close();
  };
  const load = async (): Promise<Result<Live>> => {
    const resident = await residence?.residency.enter(residence.bytes, unload);
    if (resident && !resident.ok) return resident;
    const session = await runtime.load(model, options);
    if (session.ok) return ok({ session: session.value, resident: resident?.value });
    resident?.value.leave();
    return session;
  };
  /** Runs that meet load it once. */
  const open = async (): Promise<Result<Live>> => {
    opening ??= load();
    const opened = await opening;
    opening = undefined;
    if (!opened.ok) return opened;
    died = false;
    live = opened.value;
    // Whoever closed it found nothing to close.
    if (closed) await unload();
    return opened;
  };

  const first = await open();
  if (!first.ok) return first;
  const { inputs, outputs } = first.value.session;
  let last = first.value.session;
  first.value.resident?.use()();
  return ok({
    inputs,
    outputs,
    execution: () => (live?.session ?? last).execution(),
    alive: () => !died,
    async run(feeds) {
      const current: Result<Live> = live || closed ? ok(live ?? first.value) : await open();
      if (!current.ok) return current;
      const { session, resident } = current.value;
      last = session;
      const used = resident?.use();
      const result = await session.run(feeds);
      used?.();
      if (!result.ok && result.error.code === 'unavailable' && live?.session === session) {
        died = true;
        await unload();
      }
      return result;
    },
    async close() {
      closed = true;
      await unload();
    },
  });
}
