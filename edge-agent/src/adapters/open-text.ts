// Who answers texts on this device, as the configuration names them: a server at hand, the coordinator, a file of
// answers; and the weights that say which questions the server at hand may be trusted with.

import { readFile } from 'node:fs/promises';
import { createOpenAiServer } from '@skerry/models/node';
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

export type OpenedText = Pick<DeviceTextPorts, 'sources' | 'trusted'>;

/** Fails with `invalid_config` where a file is not what it should be. A server that is away is no error: it may come. */
export async function openText(
  config: AgentConfig,
  ports: { readonly fetch: Fetch; readonly clock: Clock },
): Promise<Result<OpenedText>> {
  const {
    device,
    coordinatorUrl,
    textUpstream,
    textUpstreamKey: apiKey,
    textAnswers,
    textRouter,
  } = config;
  if (textRouter !== undefined && textUpstream === undefined)
    return err(failure('invalid_config', 'a text router needs --text-upstream'));
  const trusted = textRouter === undefined ? ok(undefined) : await readRouter(textRouter);
  if (!trusted.ok) return trusted;
  const file = textAnswers === undefined ? ok(undefined) : await readBytes(textAnswers);
  if (!file.ok) return file;
  const answers = file.value && createPrecomputedAnswers('answers', file.value, ports.clock);
  if (answers?.ok === false) return answers;
  return ok({
    trusted: trusted.value,
    sources: {
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
