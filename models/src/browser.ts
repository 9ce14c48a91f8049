// What the modules that reach a browser import of '@skerry/models': the page's import map leads them here, since the
// package's own door would bring zod and protobufjs along.

export { isOutOfDomain, neverTrusted, thresholdOf } from './calibration/exit-rule.ts';
export { predict } from './confidence.ts';
export { createOnnxWasmRuntime } from './runtime/onnx-wasm.ts';
export { openStages } from './runtime/open-stages.ts';
export { openReloadable } from './runtime/reloadable.ts';
export { checkTensor, tensorBytes, tensorOf } from './tensor.ts';
