export { type LanguageModel, languageModelFileName } from '../language/language-model-files.ts';
export {
  createOnnxNativePool,
  createOnnxNativeRuntime,
  type OnnxNativePool,
} from '../runtime/onnx-native.ts';
export { browserModules } from './browser-modules.ts';
export { applyDeltaApart, openDeltaMaker } from './delta/delta-apart.ts';
export { deltaFormOf, deltaForms, deltaTargetBytesMax } from './delta/delta-format.ts';
export { findLlamaPackage, loadLlamaPackage } from './llama-package.ts';
export { createLlamaServer } from './llama-server.ts';
export { openGrpc } from './open-grpc.ts';
export { createOpenAiServer } from './openai-server.ts';
export {
  type Bundle,
  manifestBytesMax,
  parseManifest,
  readBundle,
  readVariants,
  zooDirectory,
} from './read-bundle.ts';
export { readCrossEncoder, readEmbedder } from './read-embedder.ts';
export { readLanguageModel } from './read-language-model.ts';
export type { HeldOutFiles } from './reweight/held-out-images.ts';
export { evaluateApart, importApart, reweightApart } from './reweight/reweight-apart.ts';
export type { NewWeights, ReweightedBundle, Reweighting } from './reweight/reweight-bundle.ts';
export { variantDigest } from './variant-digest.ts';
