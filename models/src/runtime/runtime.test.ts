import { describe, expect, it } from 'vitest';
import { runtimeContract } from '../testing/runtime-contract.ts';
import { createOnnxNativeRuntime } from './onnx-native.ts';
import { createOnnxWasmRuntime } from './onnx-wasm.ts';

runtimeContract('onnx-native', createOnnxNativeRuntime);
runtimeContract('onnx-wasm', createOnnxWasmRuntime);

describe('onnx-native', () => {
  it('fails what is under way when it closes, and takes nothing more', async () => {
    const runtime = createOnnxNativeRuntime();
    const loading = runtime.load(Uint8Array.of(1));
    await runtime.close();
    expect(await loading).toMatchObject({ error: { code: 'unavailable' } });
    expect(await runtime.load(Uint8Array.of(1))).toMatchObject({ error: { code: 'unavailable' } });
  });
});
