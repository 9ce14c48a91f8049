export { createOnnxNativeRuntime } from '../runtime/onnx-native.ts';
export { type Bundle, readBundle, zooDirectory } from './read-bundle.ts';
export { variantDigest } from './variant-digest.ts';
