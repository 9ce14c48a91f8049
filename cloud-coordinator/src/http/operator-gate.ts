// Who may use the operator's routes: whoever shows the fleet's operator token, or one of their own, as a bearer or, for
// browsers, as the password of HTTP Basic. On loopback without a token, anybody who calls us by a name of ours: an
// attacker's name, once it points at this machine, makes their page one of our own. [IDN10] What a token of their own lets
// them do is their role's. [IDN14]

import { createHash, timingSafeEqual } from 'node:crypto';
import { openAiErrorResponse } from '@skerry/models/openai';
import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import { isLoopback, isOwnOrigin } from '@skerry/shared/node';
import { deviceOf, respondFailure } from '@skerry/sync-protocol/http';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { mayDo, type Operator, type Operators, sharedOperator } from '../fleet/operators.ts';

/**
 * Judges an Authorization header, and where none is asked for the Host. Fails with `unauthenticated`, and with
 * `permission_denied` for a name that is none of ours. No browser leaves the Host out.
 */
export type OperatorCheck = (
  authorization: string | undefined,
  host?: string | undefined,
) => Result<Operator>;

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
  /** Host names that we are called by, beside those that mean this machine alone. */
  readonly names?: readonly string[];
  /** Who has a token of their own, by its sha256. */
  readonly find?: Operators['find'];
}

/** What a watchdog asks, who has no token. */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/v2/health/live', '/v2/health/ready']);
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function createOperatorCheck({
  operatorToken,
  asked,
  names = [],
  find = () => undefined,
}: OperatorAccess): OperatorCheck {
  const expected = operatorToken === undefined ? undefined : digestOf(operatorToken);
  const ours = new Set(names.map((name) => name.toLowerCase()));
  return (authorization, host) => {
    // Digests are of one length, and say nothing of how much of a guess was right.
    const shown = digestOf(shownToken(authorization) ?? '');
    const own = find(`sha256:${shown.toString('hex')}`);
    if (own !== undefined) return ok(own);
    if (expected === undefined && asked) return err(failure('unauthenticated', noToken));
    if (expected === undefined)
      return host === undefined || isOurName(host, ours) ? ok(everybody) : err(notOurName);
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
    const host = c.req.header('host');
    const checked = check(c.req.header('authorization'), host);
    if (!checked.ok) {
      if (checked.error.code === 'unauthenticated')
        c.header('WWW-Authenticate', 'Basic realm="skerry", charset="UTF-8"');
      return refuse(c, checked.error);
    }
    // A browser adds the password to what another site's page sends here, too.
    if (!safeMethods.has(c.req.method) && !isOfOwnPage(c, host))
      return refuse(c, failure('permission_denied', "sent by another site's page"));
    const { name, role } = checked.value;
    if (!mayDo(role, c.req.method, c.req.path))
      return refuse(c, failure('permission_denied', `${name} is a ${role}, who may not do this`));
    c.env = { ...c.env, operator: checked.value };
    return next();
  });

/** Who is no browser says neither. */
function isOfOwnPage(c: Context, host: string | undefined): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined) return site === 'none' || site === 'same-origin';
  const origin = c.req.header('origin');
  return origin === undefined || isOwnOrigin(origin, host);
}

function isOurName(host: string, ours: ReadonlySet<string>): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return isLoopback(hostname) || ours.has(hostname) || ours.has(hostname.replace(/^\[|\]$/g, ''));
}

/** The routes of texts are the devices' too: as whom they are for Exchanges and blobs. [IDN13] */
export const textGate = (check: OperatorCheck, certified: boolean) =>
  operatorGate(check, {
    admits: (c) => deviceOf(c, certified).ok,
    refuse: (_, failed) => openAiErrorResponse(failed),
  });

const notOurName = failure(
  'permission_denied',
  'this coordinator is not called by that Host: name it in serverNames, or set an operatorToken',
);

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
