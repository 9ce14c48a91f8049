// Whether what is staged may be published, and what then is to be written: checked as a client would, before any client
// can see it. Pure; the online signatures are added by the repository.

import { collect, err, failure, ok, type Result } from '@skerry/shared';
import { instantMs } from '@skerry/shared/node';
import { requireThreshold } from './count-signers.ts';
import { topLevel } from './draft.ts';
import { checkRoot } from './edit-keys.ts';
import { matchesPattern } from './match-pattern.ts';
import {
  encodeMetadata,
  type Metadata,
  metadataBytesMax,
  type Root,
  type Targets,
} from './metadata.ts';
import { type Published, versionsIn } from './published.ts';

export interface Publication {
  readonly root: Metadata<Root>;
  /** All active roles, as they will be. */
  readonly targets: ReadonlyMap<string, Metadata<Targets>>;
  /** The roles that are new, root among them where it is. */
  readonly fresh: ReadonlyMap<string, Metadata>;
}

/** Fails with `untrusted` where signatures are missing, `invalid_argument` where what is staged does not follow what is published. */
export function planPublication(
  published: Published | undefined,
  staged: ReadonlyMap<string, Metadata>,
  nowMs: number,
): Result<Publication> {
  const root = planRoot(published, staged.get('root') as Metadata<Root> | undefined);
  if (!root.ok) return root;
  const top = (staged.get(topLevel) ?? published?.targets.get(topLevel)) as
    | Metadata<Targets>
    | undefined;
  if (top === undefined) return err(failure('invalid_argument', 'no targets are staged'));
  const names = [topLevel, ...(top.signed.delegations?.roles ?? []).map(({ name }) => name)];
  const found = names.map((name): Result<[string, Metadata<Targets>]> => {
    const metadata = staged.get(name) ?? published?.targets.get(name);
    if (metadata !== undefined) return ok([name, metadata as Metadata<Targets>]);
    return err(failure('invalid_argument', `${name} is neither staged nor published`));
  });
  const all = collect(found);
  if (!all.ok) return all;
  const targets = new Map(all.value);
  const fresh = new Map([...staged].filter(([name]) => name === 'root' || targets.has(name)));
  const publication = { root: root.value, targets, fresh };
  const checks = [
    ...[...targets.keys()].map((name) => checkSigned(publication, top.signed, name)),
    ...[...fresh].map(([name, metadata]) => checkFresh(published, name, metadata)),
    ...[['root', root.value] as const, ...targets].map(([name, { signed }]) =>
      isOnItsOwn(publication, name) ? ok(undefined) : checkLife(name, signed, nowMs),
    ),
    ...[...targets].map(([name, { signed }]) => checkPaths(top.signed, name, signed)),
  ];
  const checked = collect(checks);
  return checked.ok ? ok(publication) : checked;
}

/** TUF specification §5.3.4–5.3.5: signed by those whom the root before it names, and by those whom it names itself. */
function planRoot(
  published: Published | undefined,
  staged: Metadata<Root> | undefined,
): Result<Metadata<Root>> {
  const before = published?.root;
  const root = staged ?? before;
  if (root === undefined) return err(failure('invalid_argument', 'no root is staged: tuf init'));
  const checked = checkRoot(root.signed);
  if (!checked.ok) return checked;
  const by = (signer: Root, what: string) =>
    requireThreshold(what, root, signer.keys, signer.roles.root);
  const own = by(root.signed, 'root, by its own keys,');
  if (!own.ok || staged === undefined || before === undefined) return own.ok ? ok(root) : own;
  const old = by(before.signed, 'root, by the keys of the root before it,');
  return old.ok ? ok(root) : old;
}

function checkSigned({ root, targets }: Publication, top: Targets, name: string): Result<void> {
  const metadata = targets.get(name) as Metadata<Targets>;
  if (name === topLevel)
    return requireThreshold(name, metadata, root.signed.keys, root.signed.roles.targets);
  const { keys = {}, roles = [] } = top.delegations ?? {};
  const role = roles.find((each) => each.name === name);
  return role === undefined
    ? err(failure('invalid_argument', `${name} is no team`))
    : requireThreshold(name, metadata, keys, role);
}

function checkFresh(
  published: Published | undefined,
  name: string,
  metadata: Metadata,
): Result<void> {
  const { signed } = metadata;
  const before =
    published === undefined
      ? 0
      : name === 'root'
        ? published.root.signed.version
        : (versionsIn(published.snapshot.signed).get(name) ?? 0);
  const refuse = (why: string) => err(failure('invalid_argument', `${name}: ${why}`));
  if (signed._type !== (name === 'root' ? 'root' : 'targets'))
    return refuse(`it is ${signed._type}`);
  if (signed.version !== before + 1)
    return refuse(`version ${signed.version} does not follow ${before}; stage it anew`);
  const bytes = encodeMetadata(metadata).length;
  const most = metadataBytesMax[signed._type];
  return bytes <= most ? ok(undefined) : refuse(`${bytes} bytes; clients read ${most}`);
}

/**
 * A team that is not published now, and whose paths nobody else has: clients ask it for its own bundles alone, so its
 * expiry is its own. One that stands before another, for the same paths, would stop who looks for the other's.
 */
function isOnItsOwn({ fresh, targets }: Publication, name: string): boolean {
  const { roles = [] } = targets.get(topLevel)?.signed.delegations ?? {};
  const team = roles.find((role) => role.name === name);
  if (team === undefined || fresh.has(name)) return false;
  const behind = roles.slice(roles.indexOf(team) + 1);
  return !behind
    .flatMap((role) => Object.keys(targets.get(role.name)?.signed.targets ?? {}))
    .some((path) => team.paths.some((pattern) => matchesPattern(path, pattern)));
}

/** Of what stays too: a client that comes to it takes nothing. */
function checkLife(name: string, { expires }: Root | Targets, nowMs: number): Result<void> {
  if (instantMs(expires) > nowMs) return ok(undefined);
  return err(failure('invalid_argument', `${name}: expired at ${expires}`));
}

/** A path that its team does not speak for would be found by nobody, and whoever signed it should hear that. */
function checkPaths(top: Targets, name: string, { targets }: Targets): Result<void> {
  const role = top.delegations?.roles.find((each) => each.name === name);
  if (role === undefined) return ok(undefined);
  const stray = Object.keys(targets).find(
    (path) => !role.paths.some((pattern) => matchesPattern(path, pattern)),
  );
  if (stray === undefined) return ok(undefined);
  return err(failure('invalid_argument', `${name} does not speak for ${stray}`));
}
