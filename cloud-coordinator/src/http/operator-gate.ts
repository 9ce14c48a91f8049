// Who may use the operator's routes: whoever shows the operator's token, as a bearer or, for browsers, as the password
// of HTTP Basic. On loopback without a token, anybody. [IDN10]

import { createHash, timingSafeEqual } from 'node:crypto';
import { openAiErrorResponse } from '@skerry/models/openai';
import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { deviceOf, respondFailure } from '@skerry/sync-protocol/http';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';

/** Judges an Authorization header. Fails with `unauthenticated`. */
export type OperatorCheck = (authorization: string | undefined) => Result<void>;

export interface OperatorAccess {
  readonly operatorToken?: string | undefined;
  /** Whether a token is asked for even where none is configured: then nobody has it. */
  readonly asked: boolean;
}

/** What a watchdog asks, who has no token. */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/v2/health/live', '/v2/health/ready']);
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function createOperatorCheck({ operatorToken, asked }: OperatorAccess): OperatorCheck {
  if (operatorToken === undefined)
    return () => (asked ? err(failure('unauthenticated', noToken)) : ok(undefined));
  const expected = digestOf(operatorToken);
  return (authorization) => {
    // Digests are of one length, and say nothing of how much of a guess was right.
    const shown = digestOf(shownToken(authorization) ?? '');
    return timingSafeEqual(shown, expected)
      ? ok(undefined)
      : err(failure('unauthenticated', "show the operator's token: Authorization: Bearer TOKEN"));
  };
}

interface GateTerms {
  /** Who needs no token. */
  admits?(c: Context): boolean;
  refuse?(c: Context, failed: Failure): Response;
}

export const operatorGate = (
  check: OperatorCheck,
  { admits = () => false, refuse = respondFailure }: GateTerms = {},
) =>
  createMiddleware(async (c, next) => {
    if (openPaths.has(c.req.path) || admits(c)) return next();
    const authorization = c.req.header('authorization');
    const checked = check(authorization);
    if (!checked.ok) {
      c.header('WWW-Authenticate', 'Basic realm="skerry", charset="UTF-8"');
      return refuse(c, checked.error);
    }
    // A browser adds the password to what another site's page sends here, too.
    const from = c.req.header('sec-fetch-site') ?? 'none';
    if (!safeMethods.has(c.req.method) && from !== 'none' && from !== 'same-origin')
      return refuse(c, failure('permission_denied', "sent by another site's page"));
    return next();
  });

/** The routes of texts are the devices' too: as whom they are for Exchanges and blobs. [IDN13] */
export const textGate = (check: OperatorCheck, certified: boolean) =>
  operatorGate(check, {
    admits: (c) => deviceOf(c, certified).ok,
    refuse: (_, failed) => openAiErrorResponse(failed),
  });

const noToken =
  'no operatorToken is configured: set SKERRY_OPERATOR_TOKEN, or operatorToken in the file, for the coordinator';

function shownToken(authorization = ''): string | undefined {
  const [, scheme = '', credentials = ''] = /^(bearer|basic) +(\S+)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return credentials;
  const userAndPassword = Buffer.from(credentials, 'base64').toString();
  const colon = userAndPassword.indexOf(':');
  return colon < 0 ? undefined : userAndPassword.slice(colon + 1);
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();
