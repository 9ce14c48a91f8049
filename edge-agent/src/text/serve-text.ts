// The device's texts as the configuration wants them, behind OpenAI's API.

import { createTextHandler, type TextHandler } from '@skerry/models/openai';
import type { Log } from '@skerry/shared';
import type { AgentConfig } from '../config.ts';
import type { AnswerCache } from '../retrieve/cache/answer-cache.ts';
import type { ConversationStore } from '../retrieve/conversation-store.ts';
import type { LateQuestions } from '../retrieve/late-questions.ts';
import type { Library } from '../retrieve/library.ts';
import { createLibraryText } from '../retrieve/library-text.ts';
import { createDeviceText, type DeviceTextPorts } from './device-text.ts';

const deadlineMsMax = 600_000;

export function serveText(
  config: AgentConfig,
  {
    library,
    late,
    conversations,
    cache,
    log,
    ...ports
  }: DeviceTextPorts & {
    readonly library?: Library;
    readonly log: Log;
    readonly late?: Pick<LateQuestions, 'ask'> | undefined;
    readonly conversations?: ConversationStore | undefined;
    readonly cache?: Pick<AnswerCache, 'look'> | undefined;
  },
): TextHandler {
  const text = createDeviceText(config, ports);
  const server =
    library === undefined
      ? text
      : createLibraryText({
          library,
          text,
          clock: ports.clock,
          random: ports.random,
          answerModel: config.libraryAnswerModel,
          promptTokensMax: config.libraryPromptTokensMax,
          requestsMax: config.textRequestsMax,
          late,
          conversations,
          cache,
          log,
        });
  return createTextHandler(
    server,
    {
      bodyBytesMax: config.bodyBytesMax,
      deadlineMs: config.textDeadlineMs,
      deadlineMsMax,
    },
    ports.clock,
  );
}
