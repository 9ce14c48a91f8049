// Servers with OpenAI's API as they are: vLLM, which takes fields that it does not know and says its errors as objects,
// and Triton's frontend, which refuses them and says its own as FastAPI does. The model `echo` repeats the question, word
// by word, each of probability one half.

import { type MockReply, type MockRequest, type MockServer, startMock } from './mock-server.ts';

export type OpenAiFlavour = 'vllm' | 'triton-openai';

interface Flavour {
  error(status: number, message: string): MockReply;
  readonly strangers: 'ignored' | 'forbidden';
  readonly overloaded: MockReply;
}

const openAiError = (status: number, message: string): MockReply => ({
  status,
  body: { error: { message, type: 'BadRequestError', param: null, code: status } },
});
const detail = (status: number, message: string): MockReply => ({
  status,
  body:
    status === 422
      ? {
          detail: [
            {
              type: 'extra_forbidden',
              loc: ['body', message],
              msg: 'Extra inputs are not permitted',
            },
          ],
        }
      : { detail: message },
});

const flavours: Readonly<Record<OpenAiFlavour, Flavour>> = {
  vllm: {
    error: openAiError,
    strangers: 'ignored',
    // vLLM itself has no such bound; what stands before it has.
    overloaded: {
      status: 429,
      headers: { 'retry-after': '2' },
      body: { error: { message: 'too many', type: 'rate_limit', code: 429 } },
    },
  },
  'triton-openai': {
    error: detail,
    strangers: 'forbidden',
    overloaded: detail(503, 'Exceeds maximum queue size'),
  },
};

const knownFields = new Set([
  ...['model', 'messages', 'temperature', 'max_tokens', 'logprobs', 'stream'],
  ...['input', 'encoding_format', 'dimensions', 'top_logprobs'],
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
          : flavour.error(503, 'starting');
      const asked = JSON.parse(request.body.toString());
      const stranger = Object.keys(asked).find((key) => !knownFields.has(key));
      if (stranger !== undefined && flavour.strangers === 'forbidden')
        return flavour.error(422, stranger);
      if (asked.model !== 'echo')
        return flavour.error(404, `The model \`${asked.model}\` does not exist.`);
      return request.path === '/v1/embeddings' ? embed(asked) : complete(flavour, request, asked);
    },
  });
}

interface Asked {
  readonly input: readonly string[];
  readonly messages: readonly { readonly content: string }[];
  readonly logprobs?: boolean;
  readonly stream?: boolean;
}

/** A vector that tells the texts apart, the last first: a client must go by the index. */
function embed({ input }: Asked): MockReply {
  const data = input.map((text, index) => ({
    object: 'embedding',
    index,
    embedding: [text.length, index],
  }));
  return {
    status: 200,
    body: { object: 'list', data: data.reverse(), model: 'echo', usage: { prompt_tokens: 1 } },
  };
}

function complete(
  flavour: Flavour,
  { path }: MockRequest,
  { messages, logprobs, stream }: Asked,
): MockReply {
  const question = messages.at(-1)?.content;
  if (path !== '/v1/chat/completions' || !question) return flavour.error(400, 'no messages');
  const words = question.split(/(?<= )/);
  const logprobsOf = (some: readonly string[]) =>
    logprobs
      ? {
          content: some.map((token) => ({
            token,
            logprob: Math.log(0.5),
            bytes: null,
            top_logprobs: [],
          })),
        }
      : null;
  if (!stream)
    return {
      status: 200,
      body: {
        id: 'chatcmpl-1',
        object: 'chat.completion',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: question },
            logprobs: logprobsOf(words),
            finish_reason: 'stop',
          },
        ],
        usage: {
          prompt_tokens: 3,
          completion_tokens: words.length,
          total_tokens: 3 + words.length,
        },
      },
    };
  const event = (choice: object): string =>
    `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] })}\n\n`;
  const deltas = words.map((content) =>
    event({ delta: { content }, logprobs: logprobsOf([content]) }),
  );
  // 'cut' ends in the middle, as a server does that dies.
  const ending = question.includes('cut')
    ? ''
    : `${event({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`;
  const body = [
    event({ delta: { role: 'assistant', content: '' } }),
    ': a comment\n\n',
    ...deltas,
    ending,
  ].join('');
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
}
