// Runtime over onnxruntime-node on the thread that calls it, for tools: nobody else waits for that thread, and no tensor
// is copied to another. What serves others takes onnx-native.

import * as ort from 'onnxruntime-node';
import { createOrtRuntime } from './ort-session.ts';
import type { Runtime } from './runtime.ts';

export const createOnnxDirectRuntime = (): Runtime => createOrtRuntime('onnx-direct', ort, ['cpu']);
