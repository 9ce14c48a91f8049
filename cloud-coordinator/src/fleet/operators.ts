// Who may do what on the operator's routes. Asked at each request, so it is held in memory and read again from time to
// time: whoever adds or removes an operator writes to the database, from whatever process. [IDN14]

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import { reread } from './reread.ts';

/** Who makes a model is not who lets it loose: publishing and releasing are two roles. */
export const operatorRoles = ['viewer', 'publisher', 'releaser', 'admin'] as const;
export type OperatorRole = (typeof operatorRoles)[number];

/** Whoever shows the fleet's token. */
export const sharedOperator = 'operator';

export interface Operator {
  readonly name: string;
  readonly role: OperatorRole;
}

export interface OperatorRecord extends Operator {
  /** Of its token. */
  readonly sha256: string;
}

export interface OperatorTable {
  list(): Promise<Result<readonly OperatorRecord[]>>;
  /** A new one, or an old one with a new role and token. */
  put(operator: OperatorRecord, nowMs: number): Promise<Result<void>>;
  /** Whether there was one. */
  remove(name: string): Promise<Result<boolean>>;
}

const reads: ReadonlySet<string> = new Set(['GET', 'HEAD']);
const publishes = [
  /^\/v1\/registry\/?$/,
  /^\/v1\/registry\/files\/[^/]+$/,
  /^\/v1\/collections\/[^/]+\/(snapshots|offers\/[^/]+)$/,
  // Whoever trains a model makes one.
  /^\/v1\/learn\/?$/,
  /^\/v1\/learn\/[^/]+\/stop$/,
];
const releases = [
  /^\/v1\/registry\/[^/]+\/aliases\/[^/]+$/,
  /^\/v1\/registry\/[^/]+\/versions\/[^/]+\/state$/,
  /^\/v1\/rollouts(\/.*)?$/,
  /^\/v1\/collections\/[^/]+\/subscriptions\/[^/]+$/,
  /^\/v1\/learn\/[^/]+\/stop$/,
  /^\/v1\/fleet\/(stop|resume|quarantine|release)$/,
];

/** Pure. Reading is everybody's; what is in no list is the admin's. */
export function mayDo(role: OperatorRole, method: string, path: string): boolean {
  if (role === 'admin' || reads.has(method)) return true;
  const allowed = role === 'publisher' ? publishes : role === 'releaser' ? releases : [];
  return allowed.some((pattern) => pattern.test(path));
}

export interface Operators {
  /** By the sha256 of the token that was shown. */
  find(sha256: string): Operator | undefined;
  close(): void;
}

/** Fails where they cannot be read at first; later it keeps whom it has, and says so. */
export async function openOperators(
  readEveryMs: number,
  table: Pick<OperatorTable, 'list'>,
  ports: { readonly clock: Clock; readonly log: Log },
): Promise<Result<Operators>> {
  let known: ReadonlyMap<string, Operator> = new Map();

  const read = async (): Promise<Result<void>> => {
    const listed = await table.list();
    if (!listed.ok) return listed;
    known = new Map(listed.value.map(({ sha256, name, role }) => [sha256, { name, role }]));
    return ok(undefined);
  };
  const close = await reread(readEveryMs, read, 'operators', ports);
  if (!close.ok) return close;
  return ok({
    find: (sha256) => known.get(sha256),
    close: close.value,
  });
}
