// The text that an operator gives to a device once: a secret, and the fingerprint by which the device knows the
// coordinator's authority on first contact. [IDN1]

import { failure } from './failure.ts';
import { err, ok, type Result } from './result.ts';

const prefix = 'skerry1';

export interface JoinToken {
  /** base64url of 32 random bytes. The coordinator keeps its sha256 alone. */
  readonly secret: string;
  /** sha256 of the authority's certificate, as hex. */
  readonly authority: string;
}

export const formatJoinToken = ({ secret, authority }: JoinToken): string =>
  `${prefix}.${secret}.${authority}`;

/** Fails with `unauthenticated`, and never repeats what it was given. */
export function parseJoinToken(text: string): Result<JoinToken> {
  const [, secret, authority] = /^skerry1\.([\w-]{43})\.([0-9a-f]{64})$/.exec(text) ?? [];
  return secret === undefined || authority === undefined
    ? err(failure('unauthenticated', 'that is not a join token'))
    : ok({ secret, authority });
}
