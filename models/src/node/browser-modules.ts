import { fileURLToPath } from 'node:url';

/** Files for a browser: this package's part that runs there, and onnxruntime-web, its WebAssembly beside it. */
export const browserModules = {
  models: fileURLToPath(new URL('../../dist/browser.js', import.meta.url)),
  onnxruntime: fileURLToPath(
    new URL('ort.wasm.bundle.min.mjs', import.meta.resolve('onnxruntime-web/wasm')),
  ),
} as const;
