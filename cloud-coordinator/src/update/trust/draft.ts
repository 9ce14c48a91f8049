// What the repository will say once it is signed and published: the latest of each role, staged or published. A role
// that is changed gets the version after its published one, however often it is changed before.

import { err, failure, ok, type Result } from '@skerry/shared';
import { commonFields, type Root, type Targets } from './metadata.ts';

export interface Draft {
  readonly root: Root;
  /** The top-level one and the teams', by name. */
  readonly targets: ReadonlyMap<string, Targets>;
  /** The published version of each role; none yet is 0. */
  readonly versions: ReadonlyMap<string, number>;
}

/** What one edit changes: to be signed anew. */
export interface Changes {
  readonly root?: Root;
  readonly targets?: ReadonlyMap<string, Targets>;
}

const dayMs = 86_400_000;
/** Offline keys sign seldom; what they sign must last from one ceremony to the next. */
export const offlineLifeMs = 365 * dayMs;

export const topLevel = 'targets';

export const nextVersion = ({ versions }: Draft, role: string): number =>
  (versions.get(role) ?? 0) + 1;

/** The same content, to be signed by whoever must now. */
export function renewRoot(draft: Draft, nowMs: number, change: Partial<Root> = {}): Root {
  const version = nextVersion(draft, 'root');
  return { ...draft.root, ...change, ...commonFields(version, nowMs + offlineLifeMs) };
}

/** Fails with `not_found`. */
export function renewTargets(
  draft: Draft,
  role: string,
  nowMs: number,
  change: Partial<Targets> = {},
): Result<Targets> {
  const targets = draft.targets.get(role);
  if (targets === undefined) return err(failure('not_found', `no role '${role}'`));
  const fields = commonFields(nextVersion(draft, role), nowMs + offlineLifeMs);
  return ok({ ...targets, ...change, ...fields });
}

export const emptyTargets = (version: number, nowMs: number): Targets => ({
  _type: 'targets',
  ...commonFields(version, nowMs + offlineLifeMs),
  targets: {},
});
