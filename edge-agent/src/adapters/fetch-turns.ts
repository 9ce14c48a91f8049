// What the coordinator has of a conversation that is shared, over HTTP.

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { exchangeHttp, type Fetch } from '@skerry/shared/node';
import { turnsSchema, type WireTurn } from '@skerry/sync-protocol';
import type { AgentConfig } from '../config.ts';
import type { FetchTurns } from '../retrieve/share-conversations.ts';

/** Undefined where there is no address to ask at. */
export function createFetchTurns(
  { coordinatorUrl, device }: Pick<AgentConfig, 'coordinatorUrl' | 'device'>,
  fetch: Fetch,
): FetchTurns | undefined {
  if (coordinatorUrl === undefined) return undefined;
  const base = coordinatorUrl.replace(/\/$/, '');
  return async ({ reader, id }, share, leftMs) => {
    const url = new URL(`${base}/v1/conversations/${encodeURIComponent(id)}/turns`);
    url.search = new URLSearchParams({ reader, share }).toString();
    const headers = { 'skerry-device': device };
    const answer = await exchangeHttp('coordinator', url.href, { fetch, headers }, { leftMs });
    return answer.ok ? readTurns(answer.value.body) : answer;
  };
}

function readTurns(body: Uint8Array): Result<readonly WireTurn[]> {
  const json = parseJson(Buffer.from(body), 'turns');
  if (!json.ok) return json;
  const read = turnsSchema.safeParse(json.value);
  return read.success
    ? ok(read.data.turns)
    : err(failure('malformed_message', describeIssues(read.error, 'turns')));
}
