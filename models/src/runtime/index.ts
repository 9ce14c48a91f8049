// A graph and what runs it, for measurements that carry little with them: the package's other doors bring more along.

export type { ExecutionProvider } from './execution-provider.ts';
export { createOnnxDirectRuntime } from './onnx-direct.ts';
export type { Session } from './runtime.ts';
