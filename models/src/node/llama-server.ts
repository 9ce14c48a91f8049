// A language model at hand, in this process, behind the port that every server of texts has: node-llama-cpp
// (https://node-llama-cpp.withcat.ai) over GGUF weights. The package is optional, and loaded with the first question, as the
// weights are: who carries no language model carries none of this.

import { type Clock, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { withDeadline } from '@skerry/shared/resilience';
import type {
  ChatReply,
  ChatRequest,
  ChunkStream,
  JsonObject,
  TextServer,
  TextTerms,
} from '../openai/text-server.ts';
import { historyOf, textOf } from './llama-history.ts';
import type { Llama, LlamaModel, LlamaPackage } from './llama-package.ts';
import type { LanguageModelFile } from './read-language-model.ts';
import { createPieces } from './text-pieces.ts';

export interface LlamaPorts {
  /** Fails where the package is not installed. */
  readonly loadPackage: () => Promise<LlamaPackage>;
  readonly threads: number;
  readonly clock: Clock;
}

export interface LlamaServer extends TextServer {
  close(): Promise<void>;
}

interface Loaded {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly sequence: object;
  readonly Session: LlamaPackage['LlamaChatSession'];
}

/** What a template puts around a message, generously. */
const tokensPerMessage = 16;
const busyRetryAfterMs = 2_000;

/** One question at a time: a second would slow both, and take a second context's memory. */
export function createLlamaServer(
  name: string,
  { description, path }: LanguageModelFile,
  { loadPackage, threads, clock }: LlamaPorts,
): LlamaServer {
  const { contextTokens, answerTokensMax } = description;
  let loading: Promise<Result<Loaded>> | undefined;
  let under: Promise<unknown> | undefined;
  let closed = false;
  let answers = 0;

  const failed = (thrown: unknown) =>
    err(failure('runtime_failed', `${description.name}: ${messageOf(thrown)}`));

  const load = async (): Promise<Result<Loaded>> => {
    let llama: Llama | undefined;
    try {
      const { getLlama, LlamaChatSession } = await loadPackage();
      // What is there, or a failure: no question may begin a download, or a compiler.
      const quiet = { gpu: false, build: 'never', skipDownload: true, progressLogs: false };
      llama = await getLlama({ ...quiet, logLevel: 'error' });
      const model = await llama.loadModel({ modelPath: path });
      const context = await model.createContext({ contextSize: contextTokens, threads });
      return ok({ llama, model, sequence: context.getSequence(), Session: LlamaChatSession });
    } catch (thrown) {
      loading = undefined;
      // Weights without a context would stay, and the next question would bring them again.
      await llama?.dispose().catch(() => {});
      return failed(thrown);
    }
  };

  const answer = async (
    request: ChatRequest,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<Result<Answered>> => {
    loading ??= load();
    const loaded = await loading;
    if (!loaded.ok) return loaded;
    try {
      return await prompt(loaded.value, request, signal, onText);
    } catch (thrown) {
      return failed(thrown);
    }
  };

  /** Throws as the package does. */
  const prompt = async (
    { model, sequence, Session }: Loaded,
    request: ChatRequest,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<Result<Answered>> => {
    const { history, last } = historyOf(request);
    const promptTokens = [...history.map(textOf), last].reduce(
      (sum, text) => sum + model.tokenize(text).length + tokensPerMessage,
      0,
    );
    const maxTokens = Math.min(answerTokensMax, tokensWanted(request) ?? answerTokensMax);
    if (promptTokens + maxTokens > contextTokens)
      return err(
        failure('too_large', `${promptTokens} tokens; at most ${contextTokens - maxTokens}`),
      );
    if (signal.aborted || closed) return err(late);
    // One sequence for all of them: of a prompt that begins as the one before, the beginning is there already.
    const session = new Session({ contextSequence: sequence });
    try {
      session.setChatHistory(history);
      const { responseText, stopReason } = await session.promptWithMeta(last, {
        ...{ maxTokens, signal, stopOnAbortSignal: true, onTextChunk: onText },
        temperature: temperatureOf(request),
      });
      if (signal.aborted) return err(late);
      const finish = stopReason === 'maxTokens' ? 'length' : 'stop';
      const completionTokens = model.tokenize(responseText).length;
      return ok({ text: responseText, finish, promptTokens, completionTokens });
    } finally {
      session.dispose({ disposeSequence: false });
    }
  };

  const chat = async (request: ChatRequest, terms: TextTerms): Promise<Result<ChatReply>> => {
    if (closed) return err(failure('unavailable', 'the language model is being closed'));
    if (under !== undefined)
      return err(
        failure('overloaded', 'it answers another question', { retryAfterMs: busyRetryAfterMs }),
      );
    answers += 1;
    const head = {
      id: `chatcmpl-${name}-${answers}`,
      created: Math.floor(clock.nowMs() / 1_000),
      model: request.model,
    };
    const stop = new AbortController();
    const gone = (): void => stop.abort();
    terms.signal?.addEventListener('abort', gone, { once: true });
    if (terms.signal?.aborted) gone();
    const pieces = createPieces();
    const whole = answer(request, stop.signal, pieces.push).finally(() => {
      terms.signal?.removeEventListener('abort', gone);
      under = undefined;
      pieces.end();
    });
    under = whole;
    const streams = request.stream === true;
    // Until it has begun, where it streams; else until it is whole.
    const waited = await withDeadline<unknown>(
      clock,
      terms.leftMs,
      () => (streams ? Promise.race([pieces.begun, whole]) : whole),
      terms.signal,
    );
    if (!waited.ok) {
      stop.abort();
      return waited;
    }
    if (streams) return ok({ chunks: asChunks(head, request, pieces, whole, gone) });
    const answered = await whole;
    return answered.ok ? ok({ completion: completionOf(head, answered.value) }) : answered;
  };

  return {
    name,
    list: async () => ok([description.name]),
    chat,
    async close() {
      closed = true;
      await under;
      const loaded = await loading;
      if (loaded?.ok) await loaded.value.llama.dispose();
    },
  };
}

interface Answered {
  readonly text: string;
  readonly finish: 'stop' | 'length';
  readonly promptTokens: number;
  readonly completionTokens: number;
}

const late = failure('deadline_exceeded', 'nobody waits any more');

const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
const tokensWanted = (request: ChatRequest): number | undefined =>
  numberOf(request['max_completion_tokens']) ?? numberOf(request['max_tokens']);
/** Without one the likeliest words: from passages nothing is to be invented. */
const temperatureOf = (request: ChatRequest): number => numberOf(request['temperature']) ?? 0;

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

const usageOf = ({ promptTokens, completionTokens }: Answered) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});

const completionOf = (head: Head, answered: Answered): JsonObject => ({
  ...head,
  object: 'chat.completion',
  choices: [
    {
      ...{ index: 0, finish_reason: answered.finish, logprobs: null },
      message: { role: 'assistant', content: answered.text },
    },
  ],
  usage: usageOf(answered),
});

async function* asChunks(
  head: Head,
  request: ChatRequest,
  pieces: AsyncIterable<string>,
  whole: Promise<Result<Answered>>,
  stop: () => void,
): ChunkStream & AsyncGenerator<Result<JsonObject>> {
  const chunk = (delta: object, finish: string | null) =>
    ok({
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  try {
    yield chunk({ role: 'assistant', content: '' }, null);
    for await (const content of pieces) yield chunk({ content }, null);
    const answered = await whole;
    if (!answered.ok) return yield answered;
    yield chunk({}, answered.value.finish);
    if (request.stream_options?.include_usage === true)
      yield ok({
        ...head,
        object: 'chat.completion.chunk',
        choices: [],
        usage: usageOf(answered.value),
      });
  } finally {
    stop();
  }
}
