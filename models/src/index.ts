export {
  type BundleTarget,
  bundleTargetPath,
  bundleTargetSchema,
} from './bundle/bundle-target.ts';
export type { Calibration, ExitCalibration } from './bundle/calibration.ts';
export { checkManifest } from './bundle/check-manifest.ts';
export { deviceExitOf } from './bundle/device-graph.ts';
export { goldenSamples } from './bundle/golden-samples.ts';
export {
  type Exit,
  type Manifest,
  manifestSchema,
  type Stage,
  type Variant,
} from './bundle/manifest.ts';
export { exampleBytes, sessionMemoryBytes } from './bundle/session-memory.ts';
export { bytesElements, joinBytes, textTensor } from './bytes-tensor.ts';
export { clopperPearson } from './calibration/clopper-pearson.ts';
export {
  type ExitRule,
  isOutOfDomain,
  isTrusted,
  neverTrusted,
  thresholdOf,
} from './calibration/exit-rule.ts';
export { type Prediction, predict, softmax } from './confidence.ts';
export {
  type Execution,
  type ExecutionProvider,
  executionProperties,
  executionProviders,
} from './runtime/execution-provider.ts';
export { type LastingSession, openLastingSession } from './runtime/lasting-session.ts';
export { createOnnxWasmRuntime } from './runtime/onnx-wasm.ts';
export { type OpenStages, openStages, type StageOptions } from './runtime/open-stages.ts';
export { openPipeline, type Pipeline } from './runtime/pipeline.ts';
export { providersSchema } from './runtime/provider-config.ts';
export { openReloadable, type Reloadable } from './runtime/reloadable.ts';
export { createResidency, type Residency } from './runtime/residency.ts';
export type { LoadOptions, Runtime, Session } from './runtime/runtime.ts';
export {
  bytesPerElement,
  checkTensor,
  type Datatype,
  datatypes,
  elementCount,
  elementsOf,
  isBatched,
  type Tensor,
  type TensorMap,
  type TensorSpec,
  tensorBytes,
  tensorFromBytes,
  tensorOf,
} from './tensor.ts';
