// Runtime over onnxruntime-web's WebAssembly build: where no native library can be had, and in the browser.
// `run` blocks the thread it is called on; a caller that serves others puts this runtime in a worker.

import { createOrtRuntime, createOrtSession } from './ort-session.ts';
import type { Runtime } from './runtime.ts';

export const createOnnxWasmRuntime = (): Runtime =>
  // Loaded with the first graph: whoever imports this package's door would load it, and most never need it.
  createOrtRuntime('onnx-wasm', ['wasm'], async (model, options) =>
    createOrtSession(await import('onnxruntime-web'), model, 'wasm', options),
  );
