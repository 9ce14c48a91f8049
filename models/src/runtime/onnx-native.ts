// Runtime over onnxruntime-node, on a pool of worker threads. A Runtime is pinned to one worker: a model's stages, all
// loaded by one Runtime, never wait for each other's thread, and another model's only where they share it. When a
// worker dies its runs fail as `unavailable`, and the next load on it starts another.

import { defined, err, failure, ok } from '@skerry/shared';
import type { Execution, ExecutionProvider } from './execution-provider.ts';
import { type OnnxWorker, startOnnxWorker } from './onnx-worker.ts';
import { createOpenSessions } from './open-sessions.ts';
import type { Runtime } from './runtime.ts';

export interface OnnxNativePool {
  /** On the worker that the fewest Runtimes use; the last to close ends it. */
  createRuntime(): Runtime;
}

interface Place {
  runtimes: number;
  worker: OnnxWorker | undefined;
}

export interface OnnxNativeOptions {
  /** In the order of preference. */
  readonly executionProviders?: readonly ExecutionProvider[];
  /** Also a provider that is slower than the cpu. */
  readonly takesSlower?: boolean;
  /** A session was left for the cpu while it ran: whoever has it hears nothing, for it was answered. */
  onLeft?(execution: Execution): void;
  readonly startWorker?: typeof startOnnxWorker;
}

/** Starts a worker when it is first needed. */
export function createOnnxNativePool(
  workers: number,
  {
    executionProviders = ['cpu'],
    takesSlower = false,
    onLeft,
    startWorker = startOnnxWorker,
  }: OnnxNativeOptions = {},
): OnnxNativePool {
  const start = () => startWorker({ executionProviders, takesSlower, ...(onLeft && { onLeft }) });
  const places = Array.from({ length: workers }, (): Place => ({ runtimes: 0, worker: undefined }));
  return {
    createRuntime() {
      const fewest = Math.min(...places.map(({ runtimes }) => runtimes));
      const place = places.find(({ runtimes }) => runtimes === fewest);
      return runtimeAt(defined(place, 'a worker of the pool'), executionProviders, start);
    },
  };
}

/** One with a worker of its own. */
export const createOnnxNativeRuntime = (options: OnnxNativeOptions = {}): Runtime =>
  createOnnxNativePool(1, options).createRuntime();

function runtimeAt(
  place: Place,
  executionProviders: Runtime['executionProviders'],
  startWorker: () => OnnxWorker,
): Runtime {
  const sessions = createOpenSessions();
  let closed = false;
  place.runtimes += 1;
  return {
    name: 'onnx-native',
    executionProviders,
    async load(model, options = {}) {
      if (closed) return err(failure('unavailable', 'the runtime is closed'));
      if (!place.worker?.alive()) place.worker = startWorker();
      const session = await place.worker.load(model, options);
      return session.ok ? ok(sessions.hold(session.value)) : session;
    },
    async close() {
      if (closed) return;
      closed = true;
      place.runtimes -= 1;
      const { worker } = place;
      if (place.runtimes === 0) {
        place.worker = undefined;
        await worker?.close();
      } else await sessions.closeAll();
    },
  };
}
