// Who may use the operator's routes: whoever shows the fleet's operator token, or one of their own, as a bearer or, for
// browsers, as the password of HTTP Basic. On loopback without a token, anybody. [IDN10] What one of their own lets them
// do is their role's. [IDN14]

import { createHash, timingSafeEqual } from 'node:crypto';
import { openAiErrorResponse } from '@skerry/models/openai';
import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { deviceOf, respondFailure } from '@skerry/sync-protocol/http';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { mayDo, type Operator, type Operators, sharedOperator } from '../fleet/operators.ts';

/** Judges an Authorization header. Fails with `unauthenticated`. */
export type OperatorCheck = (authorization: string | undefined) => Result<Operator>;

/** What a route behind the gate finds in its environment. */
export interface OperatorEnvironment {
  readonly Bindings: { readonly operator?: Operator };
}

/** Who asks: whoever has a token of their own cannot speak in another's name. */
export const byOf = (
  { env }: { readonly env?: OperatorEnvironment['Bindings'] },
  claimed: string | undefined,
): string => {
  const { operator = everybody } = env ?? {};
  return operator === everybody ? (claimed ?? operator.name) : operator.name;
};

/** Who shows the fleet's token, or none where none is asked for. */
const everybody: Operator = { name: sharedOperator, role: 'admin' };

export interface OperatorAccess {
  readonly operatorToken?: string | undefined;
  /** Whether a token is asked for even where none is configured: then nobody has it. */
  readonly asked: boolean;
  /** Who has a token of their own, by its sha256. */
  readonly find?: Operators['find'];
}

/** What a watchdog asks, who has no token. */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/v2/health/live', '/v2/health/ready']);
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function createOperatorCheck({
  operatorToken,
  asked,
  find = () => undefined,
}: OperatorAccess): OperatorCheck {
  const expected = operatorToken === undefined ? undefined : digestOf(operatorToken);
  return (authorization) => {
    // Digests are of one length, and say nothing of how much of a guess was right.
    const shown = digestOf(shownToken(authorization) ?? '');
    const own = find(`sha256:${shown.toString('hex')}`);
    if (own !== undefined) return ok(own);
    if (expected === undefined)
      return asked ? err(failure('unauthenticated', noToken)) : ok(everybody);
    return timingSafeEqual(shown, expected)
      ? ok(everybody)
      : err(failure('unauthenticated', "show the operator's token: Authorization: Bearer TOKEN"));
  };
}

/** Where no path says what is asked for: over gRPC. */
export function adminOnly(checked: Result<Operator>): Result<void> {
  if (!checked.ok) return checked;
  const { name, role } = checked.value;
  return role === 'admin'
    ? ok(undefined)
    : err(failure('permission_denied', `${name} is a ${role}, this is an admin's`));
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
    const { name, role } = checked.value;
    if (!mayDo(role, c.req.method, c.req.path))
      return refuse(c, failure('permission_denied', `${name} is a ${role}, who may not do this`));
    c.env = { ...c.env, operator: checked.value };
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
