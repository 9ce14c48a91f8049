// Servers with OpenAI's API as they are, written from their documentation. The model `echo` repeats the question, word
// by word, each of probability one half, or calls the first tool it is given. In a stream a question with `cut` in it
// breaks off after two words, one with `fail` ends in an error as that server says it, one with `stall` falls silent.

import { type MockReply, type MockServer, startMock } from './mock-server.ts';

export const openAiFlavours = ['vllm', 'llama.cpp', 'ollama', 'triton'] as const;
export type OpenAiFlavour = (typeof openAiFlavours)[number];

interface Flavour {
  error(status: number, message: string): MockReply;
  /** In the middle of a stream. */
  failure(message: string): string;
  readonly overloaded: MockReply;
  readonly strangers: 'ignored' | 'forbidden';
  /** llama.cpp runs what it has loaded, whatever it is asked for. */
  readonly otherModels: 'refused' | 'taken';
  readonly logprobs: 'given' | 'none';
  readonly base64: 'given' | 'ignored';
  /** What its chunks hold beside what the API has. */
  readonly more: object;
}

const openAiError = (status: number, message: string, more: object): MockReply => ({
  status,
  body: { error: { message, ...more } },
});
const detail = (status: number, message: string): MockReply => ({
  status,
  body: {
    detail: status === 422 ? [{ type: 'extra_forbidden', loc: ['body'], msg: message }] : message,
  },
});
const dataEvent = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

const flavours: Readonly<Record<OpenAiFlavour, Flavour>> = {
  vllm: {
    error: (status, message) =>
      openAiError(status, message, { type: 'BadRequestError', param: null, code: status }),
    // It says [DONE] after an error, too.
    failure: (message) =>
      `${dataEvent({ error: { message, type: 'InternalServerError', param: null, code: 500 } })}data: [DONE]\n\n`,
    // vLLM itself has no such bound; what stands before it has.
    overloaded: {
      status: 429,
      headers: { 'retry-after': '2' },
      body: { error: { message: 'too many', type: 'rate_limit', code: 429 } },
    },
    strangers: 'ignored',
    otherModels: 'refused',
    logprobs: 'given',
    base64: 'given',
    more: {},
  },
  'llama.cpp': {
    error: (status, message) =>
      openAiError(status, message, { code: status, type: 'invalid_request_error' }),
    failure: (message) =>
      `error: ${JSON.stringify({ code: 500, message, type: 'server_error' })}\n\n`,
    overloaded: openAiError(503, 'no slot available', { code: 503, type: 'unavailable_error' }),
    strangers: 'ignored',
    otherModels: 'taken',
    logprobs: 'given',
    base64: 'given',
    more: { timings: { predicted_ms: 1.5 } },
  },
  ollama: {
    error: (status, message) =>
      openAiError(status, message, { type: 'api_error', param: null, code: null }),
    failure: (message) => `${JSON.stringify({ error: { message, type: 'api_error' } })}\n`,
    overloaded: openAiError(503, 'server busy, please try again', { type: 'api_error' }),
    strangers: 'ignored',
    otherModels: 'refused',
    logprobs: 'none',
    base64: 'ignored',
    more: { system_fingerprint: 'fp_ollama' },
  },
  triton: {
    error: detail,
    failure: (message) => dataEvent({ detail: message }),
    overloaded: detail(503, 'Exceeds maximum queue size'),
    strangers: 'forbidden',
    otherModels: 'refused',
    logprobs: 'given',
    base64: 'ignored',
    more: {},
  },
};

const knownFields = new Set([
  ...['model', 'messages', 'temperature', 'max_tokens', 'logprobs', 'top_logprobs', 'stream'],
  ...['stream_options', 'tools', 'tool_choice', 'input', 'encoding_format', 'dimensions'],
]);

export function startOpenAiMock(which: OpenAiFlavour): Promise<MockServer> {
  const flavour = flavours[which];
  return startMock({
    overloaded: flavour.overloaded,
    isAsk: ({ method }) => method === 'POST',
    reply(request, ready) {
      if (request.path === '/v1/models')
        return ready
          ? { status: 200, body: { object: 'list', data: [{ id: 'echo', object: 'model' }] } }
          : flavour.error(503, 'Loading model');
      const asked = JSON.parse(request.body.toString());
      const stranger = Object.keys(asked).find((key) => !knownFields.has(key));
      if (stranger !== undefined && flavour.strangers === 'forbidden')
        return flavour.error(422, 'Extra inputs are not permitted');
      if (asked.model !== 'echo' && flavour.otherModels === 'refused')
        return flavour.error(404, `The model \`${asked.model}\` does not exist.`);
      if (request.path === '/v1/embeddings') return embed(flavour, asked);
      if (!asked.messages?.length) return flavour.error(400, 'no messages');
      return asked.stream ? stream(flavour, asked) : complete(flavour, asked);
    },
  });
}

interface Asked {
  readonly model: string;
  readonly input: string | readonly string[];
  readonly encoding_format?: string;
  readonly messages: readonly { readonly content: string }[];
  readonly logprobs?: boolean;
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
  readonly stream_options?: { readonly include_usage?: boolean };
}

/** A vector that tells the texts apart, the last first: a client must go by the index. */
function embed(flavour: Flavour, { model, input, encoding_format: format }: Asked): MockReply {
  const data = [input].flat().map((text, index) => {
    const vector = [text.length, index];
    const base64 = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    const encoded = format === 'base64' && flavour.base64 === 'given' ? base64 : vector;
    return { object: 'embedding', index, embedding: encoded };
  });
  const usage = { prompt_tokens: 1, total_tokens: 1 };
  return { status: 200, body: { object: 'list', data: data.reverse(), model, usage } };
}

const wordsOf = ({ messages }: Asked): string[] => (messages.at(-1)?.content ?? '').split(/(?<= )/);

const usageOf = (asked: Asked) => {
  const tokens = wordsOf(asked).length;
  return { prompt_tokens: 3, completion_tokens: tokens, total_tokens: 3 + tokens };
};

function logprobsOf({ logprobs }: Flavour, asked: Asked, words: readonly string[]) {
  if (logprobs === 'none' || !asked.logprobs) return null;
  const one = { logprob: Math.log(0.5), bytes: null, top_logprobs: [] };
  return { content: words.map((token) => ({ token, ...one })) };
}

const callOf = ({ tools }: Asked) =>
  tools?.[0] && {
    id: 'call_1',
    type: 'function',
    function: { name: tools[0].function.name, arguments: '{"depth": 3}' },
  };

function complete(flavour: Flavour, asked: Asked): MockReply {
  const words = wordsOf(asked);
  const call = callOf(asked);
  const message = call
    ? { role: 'assistant', content: null, tool_calls: [call] }
    : { role: 'assistant', content: words.join('') };
  const choice = {
    index: 0,
    message,
    logprobs: call ? null : logprobsOf(flavour, asked, words),
    finish_reason: call ? 'tool_calls' : 'stop',
  };
  const head = { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: asked.model };
  return {
    status: 200,
    body: { ...head, choices: [choice], usage: usageOf(asked), ...flavour.more },
  };
}

function stream(flavour: Flavour, asked: Asked): MockReply {
  const head = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: asked.model,
  };
  const chunk = (more: object): string => dataEvent({ ...head, ...more, ...flavour.more });
  const delta = (some: object, reason: string | null = null, logprobs: unknown = null): string =>
    chunk({ choices: [{ index: 0, delta: some, logprobs, finish_reason: reason }] });
  const words = wordsOf(asked);
  const question = words.join('');
  const call = callOf(asked);
  const deltas = call
    ? [delta({ tool_calls: [{ index: 0, ...call }] })]
    : words.map((word) => delta({ content: word }, null, logprobsOf(flavour, asked, [word])));
  const start = [delta({ role: 'assistant', content: '' }), ': a comment\n\n', ...deltas];
  const last = [delta({}, call ? 'tool_calls' : 'stop')];
  if (asked.stream_options?.include_usage) last.push(chunk({ choices: [], usage: usageOf(asked) }));
  const reply = (events: readonly string[]): MockReply => ({
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: events.join(''),
  });
  const some = start.slice(0, 4);
  if (question.includes('cut')) return { ...reply(some), ending: 'break' };
  if (question.includes('stall')) return { ...reply(some), ending: 'silence' };
  if (question.includes('fail')) return reply([...some, flavour.failure('out of memory')]);
  return reply([...start, ...last, 'data: [DONE]\n\n']);
}
