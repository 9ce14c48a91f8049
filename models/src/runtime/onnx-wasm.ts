// Runtime over onnxruntime-web's WebAssembly build: where no native library can be had, and in the browser.
// `run` blocks the thread it is called on; a caller that serves others puts this runtime in a worker.

import * as ort from 'onnxruntime-web';
import { createOrtSession } from './ort-session.ts';
import type { Runtime, Session } from './runtime.ts';

export function createOnnxWasmRuntime(): Runtime {
  const sessions = new Set<Session>();
  return {
    name: 'onnx-wasm',
    async load(model, options) {
      const session = await createOrtSession(ort, model, ['wasm'], options);
      if (session.ok) sessions.add(session.value);
      return session;
    },
    async close() {
      await Promise.all([...sessions].map((session) => session.close()));
      sessions.clear();
    },
  };
}
