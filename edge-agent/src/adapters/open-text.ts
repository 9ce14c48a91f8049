// Who answers texts on this device, as the configuration names them: a server at hand, or a language model in this process,
// the coordinator, a file of answers; and the weights that say which questions the server at hand may be trusted with.

import { readFile } from 'node:fs/promises';
import {
  createLlamaServer,
  createOpenAiServer,
  findLlamaPackage,
  loadLlamaPackage,
  readLanguageModel,
} from '@skerry/models/node';
import { createPrecomputedAnswers } from '@skerry/models/openai';
import { createTextRouter, textRouterSchema } from '@skerry/models/text-router';
import {
  type Clock,
  describeIssues,
  err,
  failure,
  messageOf,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import type { AgentConfig } from '../config.ts';
import type { DeviceTextPorts, TrustedQuestions } from '../text/device-text.ts';
import type { Fetch } from './coordinator-fetch.ts';

export type OpenedText = Pick<DeviceTextPorts, 'sources' | 'trusted'> & {
  /** That a language model in this process takes, of what models share. */
  readonly memoryBytes: number;
  close(): Promise<void>;
};

/** Fails with `invalid_config` where a file is not what it should be. A server that is away is no error: it may come. */
export async function openText(
  config: AgentConfig,
  ports: { readonly fetch: Fetch; readonly clock: Clock },
  /** That models may take here. */
  memoryBytesMax = Number.POSITIVE_INFINITY,
): Promise<Result<OpenedText>> {
  const {
    device,
    coordinatorUrl,
    textUpstream,
    textUpstreamKey: apiKey,
    textAnswers,
    textRouter,
  } = config;
  const { languageModel } = config;
  if (languageModel !== undefined && textUpstream !== undefined)
    return err(failure('invalid_config', '--text-upstream or --language-model, not both'));
  if (textRouter !== undefined && textUpstream === undefined && languageModel === undefined)
    return err(
      failure('invalid_config', 'a text router needs --text-upstream or --language-model'),
    );
  const own =
    languageModel === undefined
      ? ok(undefined)
      : await openOwn(languageModel, config, ports.clock, memoryBytesMax);
  if (!own.ok) return own;
  const trusted = textRouter === undefined ? ok(undefined) : await readRouter(textRouter);
  if (!trusted.ok) return trusted;
  const file = textAnswers === undefined ? ok(undefined) : await readBytes(textAnswers);
  if (!file.ok) return file;
  const answers = file.value && createPrecomputedAnswers('answers', file.value, ports.clock);
  if (answers?.ok === false) return answers;
  return ok({
    trusted: trusted.value,
    memoryBytes: own.value?.memoryBytes ?? 0,
    close: async () => own.value?.server.close(),
    sources: {
      ...(own.value && { local: own.value.server }),
      ...(textUpstream && { local: createOpenAiServer('local', textUpstream, { apiKey }) }),
      ...(coordinatorUrl && {
        cloud: createOpenAiServer('cloud', coordinatorUrl, {
          fetch: ports.fetch,
          headers: { 'skerry-device': device },
        }),
      }),
      ...(answers && { answers: answers.value }),
    },
  });
}

/** Refused where it is not what it says, or takes more than models may here: not with the first question. */
async function openOwn(
  folder: string,
  { threads }: AgentConfig,
  clock: Clock,
  memoryBytesMax: number,
) {
  const file = await readLanguageModel(folder);
  if (!file.ok) return file;
  const { name, memoryBytes } = file.value.description;
  if (memoryBytes > memoryBytesMax)
    return err(
      failure(
        'invalid_config',
        `${name} takes ${mebibytes(memoryBytes)}; models may take ${mebibytes(memoryBytesMax)} here (--memory-bytes-max)`,
      ),
    );
  const found = findLlamaPackage();
  if (!found.ok) return found;
  const server = createLlamaServer('local', file.value, {
    loadPackage: loadLlamaPackage,
    threads,
    clock,
  });
  return ok({ server, memoryBytes });
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;

async function readRouter(path: string): Promise<Result<TrustedQuestions>> {
  const bytes = await readBytes(path);
  if (!bytes.ok) return bytes;
  const json = parseJson(bytes.value, path, 'invalid_config');
  if (!json.ok) return json;
  const read = textRouterSchema.safeParse(json.value);
  if (!read.success)
    return err(failure('invalid_config', `${path}: ${describeIssues(read.error)}`));
  return ok({ router: createTextRouter(read.data), threshold: read.data.threshold });
}

async function readBytes(path: string): Promise<Result<Uint8Array>> {
  try {
    return ok(await readFile(path));
  } catch (thrown) {
    return err(failure('invalid_config', messageOf(thrown)));
  }
}
