// A late answer, as soon as the agent has it: by its stream, so that nobody asks again and again.

import { err, failure, messageOf, ok, parseJson, type Result, sleep } from '@skerry/shared';
import type { Call } from './command.ts';
import { type CoordinatorClient, failureOf } from './coordinator-client.ts';
import { type LateAnswer, lateAnswerSchema } from './library-answer.ts';
import { readEvents } from './read-events.ts';

const reconnectMs = 1_000;
const withinMs = 86_400_000;

type Ports = Pick<Call<unknown>, 'clock' | 'signal'> & { readonly client: CoordinatorClient };

export const readLateAnswer = (
  client: CoordinatorClient,
  id: string,
): Promise<Result<LateAnswer>> =>
  client.get(`/v1/answers/${encodeURIComponent(id)}`, lateAnswerSchema);

/** Until it is there, nobody waits any more, or a day has gone; then what there is. Over agents that start anew, too. */
export async function awaitAnswer(
  id: string,
  { client, clock, signal }: Ports,
): Promise<Result<LateAnswer>> {
  const untilMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const stream = await client.ask('GET', '/v1/answers/stream', { endless: true, signal });
    // After the stream has begun: what comes from here on is on it.
    const record = await readLateAnswer(client, id);
    const isOver = signal.aborted || clock.monotonicMs() >= untilMs;
    if (
      record.ok ? record.value.delivery !== 'open' || isOver : isOver || !record.error.retryable
    ) {
      if (stream.ok) await stream.value.body?.cancel().catch(() => undefined);
      return record;
    }
    if (stream.ok) {
      const found = await findOn(stream.value, id);
      if (found.ok) return found;
    }
    await sleep(clock, reconnectMs, signal);
  }
}

async function findOn(response: Response, id: string): Promise<Result<LateAnswer>> {
  if (!response.ok || response.body === null) return err(await failureOf(response));
  try {
    for await (const data of readEvents(response.body)) {
      const json = parseJson(new TextEncoder().encode(data), 'the event');
      const record = lateAnswerSchema.safeParse(json.ok ? json.value : undefined);
      if (record.success && record.data.request_id === id) return ok(record.data);
    }
    return err(failure('unavailable', 'the stream has ended'));
  } catch (thrown) {
    return err(failure('unavailable', messageOf(thrown)));
  }
}
