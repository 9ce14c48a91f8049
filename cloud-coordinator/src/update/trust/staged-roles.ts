// What waits for signatures, against what is published: who must sign it, and what it makes of the repository.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Draft, topLevel } from './draft.ts';
import type { KeySet, Keys, Metadata, Root, Targets } from './metadata.ts';
import { type Published, versionsIn } from './published.ts';

type Staged = ReadonlyMap<string, Metadata>;

/** Without what a crash left behind that had been published already, or what somebody else has overtaken. */
export function pending(published: Published | undefined, staged: Staged): Staged {
  if (published === undefined) return staged;
  const versions = publishedVersions(published);
  return new Map(
    [...staged].filter(([role, { signed }]) => signed.version > (versions.get(role) ?? 0)),
  );
}

/** Fails with `not_found` before the first root. */
export function draftOf(published: Published | undefined, staged: Staged): Result<Draft> {
  const latest = (role: string) => staged.get(role) ?? published?.targets.get(role);
  const root = staged.get('root') ?? published?.root;
  const top = latest(topLevel);
  if (root === undefined || top === undefined)
    return err(failure('not_found', 'there is no repository yet: tuf init'));
  const targets = new Map([[topLevel, top.signed as Targets]]);
  for (const { name } of (top.signed as Targets).delegations?.roles ?? []) {
    const team = latest(name);
    if (team !== undefined) targets.set(name, team.signed as Targets);
  }
  const versions =
    published === undefined ? new Map<string, number>() : publishedVersions(published);
  return ok({ root: root.signed as Root, targets, versions });
}

export interface Need {
  readonly keys: Keys;
  readonly keySet: KeySet;
}

/** Each set of keys of which enough must sign; none for what no role speaks for any more. */
export function needsOf(role: string, draft: Draft, before: Root | undefined): readonly Need[] {
  const { root, targets } = draft;
  if (role === 'root') {
    const own = { keys: root.keys, keySet: root.roles.root };
    // TUF specification §5.3.4: the root before it must agree to its successor.
    return before === undefined ? [own] : [own, { keys: before.keys, keySet: before.roles.root }];
  }
  if (role === topLevel) return [{ keys: root.keys, keySet: root.roles.targets }];
  const { keys = {}, roles = [] } = targets.get(topLevel)?.delegations ?? {};
  return roles.filter(({ name }) => name === role).map((keySet) => ({ keys, keySet }));
}

function publishedVersions({ root, snapshot }: Published): Map<string, number> {
  return versionsIn(snapshot.signed).set('root', root.signed.version);
}
