// Runtime over onnxruntime-node on the thread that calls it, for tools: nobody else waits for that thread, and no tensor
// is copied to another. What serves others takes onnx-native.

import * as ort from 'onnxruntime-node';
import type { ExecutionProvider } from './execution-provider.ts';
import { openOnProviders } from './open-on-providers.ts';
import { createOrtRuntime } from './ort-session.ts';
import type { Runtime } from './runtime.ts';

export const createOnnxDirectRuntime = (
  executionProviders: readonly ExecutionProvider[] = ['cpu'],
): Runtime =>
  createOrtRuntime('onnx-direct', executionProviders, (model, options) =>
    openOnProviders(ort, model, executionProviders, options),
  );
