// Who may sign what, as pure edits: the first root, keys that come and go, teams with a part of the targets.

import { err, failure, ok, type Result } from '@skerry/shared';
import { keyIdOf, type PublicKey } from '@skerry/shared/node';
import {
  type Changes,
  type Draft,
  emptyTargets,
  nextVersion,
  offlineLifeMs,
  renewRoot,
  renewTargets,
  topLevel,
} from './draft.ts';
import {
  commonFields,
  type Delegation,
  delegatedRolesMax,
  directorField,
  type KeySet,
  type Keys,
  keysMax,
  type Root,
  teamNameSchema,
} from './metadata.ts';

/** One stolen key must not be enough (TUF specification §6). */
export const offlineThresholdMin = 2;

export const offlineRoles = ['root', 'targets'] as const;
export const onlineRoles = ['snapshot', 'timestamp', 'director'] as const;
export type TopRole = (typeof offlineRoles)[number] | (typeof onlineRoles)[number];
const topRoles: readonly TopRole[] = [...offlineRoles, ...onlineRoles];
export const isTopRole = (role: string): role is TopRole =>
  (topRoles as readonly string[]).includes(role);

export interface NewKeys {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

export interface KeyChange {
  readonly add: readonly PublicKey[];
  /** By id. */
  readonly remove: readonly string[];
  /** As it was, where absent. */
  readonly threshold?: number | undefined;
}

export interface TeamRule extends NewKeys {
  readonly name: string;
  readonly paths: readonly string[];
  /** Whether nobody below may speak for what this team does not name. */
  readonly terminating: boolean;
}

export const keySetOf = (root: Root, role: TopRole): KeySet =>
  role === 'director' ? root[directorField] : root.roles[role];

/** Version 1 of root and of an empty targets. */
export function createRoot(roles: Record<TopRole, NewKeys>, nowMs: number): Result<Changes> {
  const setOf = ({ keys, threshold }: NewKeys): KeySet => ({
    keyids: keys.map(keyIdOf),
    threshold,
  });
  const keys: Keys = Object.fromEntries(
    topRoles.flatMap((role) => roles[role].keys).map((key) => [keyIdOf(key), key]),
  );
  const root: Root = {
    _type: 'root',
    ...commonFields(1, nowMs + offlineLifeMs),
    consistent_snapshot: true,
    keys,
    roles: {
      root: setOf(roles.root),
      targets: setOf(roles.targets),
      snapshot: setOf(roles.snapshot),
      timestamp: setOf(roles.timestamp),
    },
    [directorField]: setOf(roles.director),
  };
  const checked = checkRoot(root);
  if (!checked.ok) return checked;
  return ok({ root, targets: new Map([[topLevel, emptyTargets(1, nowMs)]]) });
}

/** Keys of a top-level role, or of a team. What the role has signed must be signed anew. */
export function rotateKeys(
  draft: Draft,
  role: string,
  change: KeyChange,
  nowMs: number,
): Result<Changes> {
  if (!isTopRole(role)) return rotateTeam(draft, role, change, nowMs);
  const rotated = changeKeys(keySetOf(draft.root, role), change);
  const roles = role === 'director' ? draft.root.roles : { ...draft.root.roles, [role]: rotated };
  const root = renewRoot(draft, nowMs, {
    roles,
    keys: withKeys(draft.root.keys, change.add),
    [directorField]: role === 'director' ? rotated : draft.root[directorField],
  });
  const pruned = {
    ...root,
    keys: usedKeys(
      root.keys,
      topRoles.map((each) => keySetOf(root, each)),
    ),
  };
  const checked = checkRoot(pruned);
  if (!checked.ok) return checked;
  if (role !== 'targets') return ok({ root: pruned });
  const targets = renewTargets(draft, topLevel, nowMs);
  return targets.ok ? ok({ root: pruned, targets: new Map([[topLevel, targets.value]]) }) : targets;
}

/**
 * A new team, or new rules for one. Its keys are those given and no others. A team that is there keeps its place: who is
 * named first speaks first (TUF specification §5.6.7).
 */
export function delegate(draft: Draft, team: TeamRule, nowMs: number): Result<Changes> {
  const { name, keys, threshold, paths, terminating } = team;
  const reserved = isTopRole(name) || !teamNameSchema.safeParse(name).success;
  if (reserved) return err(failure('invalid_argument', `a team cannot be called '${name}'`));
  const rule: Delegation = {
    name,
    keyids: keys.map(keyIdOf),
    threshold,
    paths: [...paths],
    terminating,
  };
  const before = delegationsOf(draft).roles;
  const roles = before.some((each) => each.name === name)
    ? before.map((each) => (each.name === name ? rule : each))
    : [...before, rule];
  if (roles.length > delegatedRolesMax)
    return err(
      failure('invalid_argument', `no client follows more than ${delegatedRolesMax} teams`),
    );
  const own = draft.targets.has(name)
    ? renewTargets(draft, name, nowMs)
    : ok(emptyTargets(nextVersion(draft, name), nowMs));
  if (!own.ok) return own;
  const top = changeTeams(draft, roles, keys, nowMs);
  return top.ok ? ok({ targets: new Map([...top.value, [name, own.value]]) }) : top;
}

/** The team's word ends with the next publication; what it has published stays in the snapshot, unread. */
export function undelegate(draft: Draft, name: string, nowMs: number): Result<Changes> {
  const { roles } = delegationsOf(draft);
  const others = roles.filter((each) => each.name !== name);
  if (others.length === roles.length) return err(failure('not_found', `no team '${name}'`));
  const targets = changeTeams(draft, others, [], nowMs);
  return targets.ok ? ok({ targets: targets.value }) : targets;
}

export const delegationsOf = ({ targets }: Draft) =>
  targets.get(topLevel)?.delegations ?? { keys: {}, roles: [] };

function rotateTeam(draft: Draft, name: string, change: KeyChange, nowMs: number): Result<Changes> {
  const { keys, roles } = delegationsOf(draft);
  const team = roles.find((each) => each.name === name);
  if (team === undefined) return err(failure('not_found', `no role '${name}'`));
  const { keyids, threshold } = changeKeys(team, change);
  const known = withKeys(keys, change.add);
  const next = keyids.flatMap((id) => known[id] ?? []);
  return delegate(draft, { ...team, keys: next, threshold }, nowMs);
}

function changeTeams(
  draft: Draft,
  roles: readonly Delegation[],
  added: readonly PublicKey[],
  nowMs: number,
) {
  const keys = usedKeys(withKeys(delegationsOf(draft).keys, added), roles);
  for (const role of roles) {
    const checked = checkKeySet(role.name, role, keys, 1);
    if (!checked.ok) return checked;
  }
  const targets = renewTargets(draft, topLevel, nowMs, {
    delegations: { keys, roles: [...roles] },
  });
  return targets.ok ? ok(new Map([[topLevel, targets.value]])) : targets;
}

function changeKeys(from: KeySet, { add, remove, threshold = from.threshold }: KeyChange): KeySet {
  const kept = from.keyids.filter((id) => !remove.includes(id));
  return { keyids: [...new Set([...kept, ...add.map(keyIdOf)])], threshold };
}

const withKeys = (keys: Keys, added: readonly PublicKey[]): Keys => ({
  ...keys,
  ...Object.fromEntries(added.map((key) => [keyIdOf(key), key])),
});

function usedKeys(keys: Keys, sets: readonly KeySet[]): Keys {
  const used = new Set(sets.flatMap(({ keyids }) => keyids));
  return Object.fromEntries(Object.entries(keys).filter(([id]) => used.has(id)));
}

/** Fails with `invalid_argument` for a root that nobody could sign, or that one stolen key could replace. */
export function checkRoot(root: Root): Result<void> {
  for (const role of topRoles) {
    const isOffline = (offlineRoles as readonly TopRole[]).includes(role);
    const least = isOffline ? offlineThresholdMin : 1;
    const checked = checkKeySet(role, keySetOf(root, role), root.keys, least);
    if (!checked.ok) return checked;
  }
  const offline = offlineRoles.flatMap((role) => keySetOf(root, role).keyids);
  const shared = onlineRoles
    .flatMap((role) => keySetOf(root, role).keyids)
    .find((id) => offline.includes(id));
  if (shared === undefined) return ok(undefined);
  return err(
    failure('invalid_argument', `key ${shared.slice(0, 8)} is online and offline at once`),
  );
}

function checkKeySet(
  role: string,
  { keyids, threshold }: KeySet,
  keys: Keys,
  least: number,
): Result<void> {
  const refuse = (why: string) => err(failure('invalid_argument', `${role}: ${why}`));
  if (keyids.length > keysMax) return refuse(`at most ${keysMax} keys`);
  if (threshold < least) return refuse(`the threshold must be at least ${least}`);
  if (keyids.length < threshold)
    return refuse(`${keyids.length} keys cannot give ${threshold} signatures`);
  const unknown = keyids.find((id) => !Object.hasOwn(keys, id));
  return unknown === undefined ? ok(undefined) : refuse(`key ${unknown.slice(0, 8)} is unknown`);
}
