// node-llama-cpp, as far as it is used here: an optional package, so that who carries no language model installs none of it.

import { err, failure, ok, type Result } from '@skerry/shared';

/** What is used of the package. */
export interface LlamaPackage {
  getLlama(options: object): Promise<Llama>;
  readonly LlamaChatSession: new (options: { readonly contextSequence: object }) => ChatSession;
}
export interface Llama {
  loadModel(options: { readonly modelPath: string }): Promise<LlamaModel>;
  dispose(): Promise<void>;
}
export interface LlamaModel {
  createContext(options: object): Promise<{ getSequence(): object }>;
  tokenize(text: string): ArrayLike<number>;
}
export type HistoryItem =
  | { readonly type: 'system' | 'user'; readonly text: string }
  | { readonly type: 'model'; readonly response: readonly string[] };
interface ChatSession {
  setChatHistory(history: readonly HistoryItem[]): void;
  promptWithMeta(
    prompt: string,
    options: object,
  ): Promise<{ readonly responseText: string; readonly stopReason: string }>;
  dispose(options: { readonly disposeSequence: boolean }): void;
}

const packageName: string = 'node-llama-cpp';
const version = '3.22.1';
/** Binaries for one kind of machine, no script run, no compiler. */
const install = `npm install --no-save --ignore-scripts --omit=optional ${packageName}@${version} @node-llama-cpp/${process.platform}-${process.arch}@${version}`;

/** Fails with `invalid_config` and what to do where it is not installed. Loads nothing. */
export function findLlamaPackage(): Result<void> {
  try {
    import.meta.resolve(packageName);
    return ok(undefined);
  } catch {
    return err(failure('invalid_config', `a language model needs ${packageName}: ${install}`));
  }
}

/** Throws where it cannot be loaded. */
export const loadLlamaPackage = async (): Promise<LlamaPackage> =>
  (await import(packageName)) as LlamaPackage;
