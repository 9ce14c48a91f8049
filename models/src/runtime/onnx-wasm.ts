// Runtime over onnxruntime-web's WebAssembly build: where no native library can be had, and in the browser.
// `run` blocks the thread it is called on; a caller that serves others puts this runtime in a worker.

import * as ort from 'onnxruntime-web';
import { createOrtRuntime, createOrtSession } from './ort-session.ts';
import type { Runtime } from './runtime.ts';

export const createOnnxWasmRuntime = (): Runtime =>
  createOrtRuntime('onnx-wasm', ['wasm'], (model, options) =>
    createOrtSession(ort, model, 'wasm', options),
  );
