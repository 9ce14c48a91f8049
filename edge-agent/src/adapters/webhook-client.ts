// A webhook's message and its signature, as Standard Webhooks has them (github.com/standard-webhooks, spec 1.0.0): the
// id, the time and the body are signed by HMAC-SHA256 with a secret that the app knows and no log does.

import { createHmac } from 'node:crypto';
import { type Clock, err, type Failure, failure, messageOf, ok, type Result } from '@skerry/shared';
import { withDeadline } from '@skerry/shared/resilience';

/** The specification advises 15 to 30 seconds. */
const answerTimeoutMs = 15_000;
const secretPrefix = 'whsec_';

export interface WebhookEndpoint {
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
}

/** Sends one event; `data` is JSON. Fails retryably for 408, 429, 5xx and where nobody answers, for good for the rest. */
export function createWebhookClient(
  { url, secret }: WebhookEndpoint,
  clock: Clock,
): (id: string, type: string, data: unknown, signal: AbortSignal) => Promise<Result<void>> {
  const key = Buffer.from(secret.slice(secretPrefix.length), 'base64');
  const { target, authorization } = splitUrl(url);
  return (id, type, data, parent) => {
    const nowMs = clock.nowMs();
    const seconds = String(Math.floor(nowMs / 1_000));
    const body = JSON.stringify({ type, timestamp: new Date(nowMs).toISOString(), data });
    const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
    const headers = {
      ...authorization,
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': seconds,
      'webhook-signature': `v1,${signature}`,
    };
    const send = async (signal: AbortSignal): Promise<Result<void>> => {
      try {
        // A redirect would carry the message, signed for this URL, to another.
        const redirect = 'manual';
        const response = await fetch(target, { method: 'POST', headers, body, signal, redirect });
        await response.body?.cancel();
        return response.ok ? ok(undefined) : err(refusalOf(response));
      } catch (thrown) {
        return err(failure('unavailable', `nobody answers: ${causeOf(thrown)}`));
      }
    };
    return withDeadline(clock, answerTimeoutMs, send, parent);
  };
}

function refusalOf({ status, headers }: Response): Failure {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined;
  const isAway = status === 408 || status === 429 || status >= 500;
  return failure(
    isAway ? 'unavailable' : 'invalid_argument',
    `the app answers ${status}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** fetch takes no URL that holds a password, and would tell it in its error. */
function splitUrl(url: string) {
  const target = new URL(url);
  const { username, password } = target;
  target.username = '';
  target.password = '';
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const basic = `Basic ${Buffer.from(pair).toString('base64')}`;
  return { target: target.href, authorization: username === '' ? {} : { authorization: basic } };
}

/** Of a failed fetch the reason lies beneath. */
function causeOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? messageOf(thrown) : messageOf(cause);
}
