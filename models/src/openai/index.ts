export { floatsOf } from './embeddings.ts';
export { createEventReader } from './event-reader.ts';
export { describeOpenAiError, openAiErrorResponse } from './openai-error.ts';
export { createPrecomputedAnswers } from './precomputed-answers.ts';
export { createTextHandler, type TextHandler, textPaths } from './rest.ts';
export {
  type ChatReply,
  type ChatRequest,
  type ChunkStream,
  citationsOf,
  contentOf,
  type EmbeddingsReply,
  type EmbeddingsRequest,
  questionOf,
  type TextDecision,
  type TextServer,
  type TextTerms,
} from './text-server.ts';
export { watchStream } from './watch-stream.ts';
