// What may be installed, as pure edits of a role's targets.

import { err, failure, ok, type Result } from '@skerry/shared';
import { snapshotTargetSchema } from '@skerry/sync-protocol/collections';
import { type Changes, type Draft, renewTargets, topLevel } from './draft.ts';
import { delegationsOf } from './edit-keys.ts';
import { matchesPattern } from './match-pattern.ts';
import { type TargetFile, type Targets, targetPathSchema } from './metadata.ts';

/** Fails with `invalid_argument` where no client would find it under this role, `not_found` for an unknown role. */
export function addTarget(
  draft: Draft,
  role: string,
  [path, target]: readonly [string, TargetFile],
  nowMs: number,
): Result<Changes> {
  const named = targetPathSchema.safeParse(path);
  if (!named.success) return err(failure('invalid_argument', `'${path}' is no target path`));
  const patterns = patternsOf(draft, role);
  if (!patterns.some((pattern) => matchesPattern(path, pattern)) && role !== topLevel)
    return err(failure('invalid_argument', `${role} speaks for ${patterns.join(', ')} alone`));
  return changeTargets(draft, role, nowMs, (targets) => ({ ...targets, [path]: target }));
}

/**
 * A collection's next snapshot; of those before it one stays, which devices may be on their way to. Fails as `addTarget`.
 */
export function addSnapshot(
  draft: Draft,
  role: string,
  [path, target]: readonly [string, TargetFile],
  nowMs: number,
): Result<Changes> {
  const added = addTarget(draft, role, [path, target], nowMs);
  const snapshotOf = ({ custom }: TargetFile) => snapshotTargetSchema.safeParse(custom).data;
  const own = snapshotOf(target);
  if (!added.ok || own === undefined) return added;
  return changeTargets(draft, role, nowMs, (targets) => {
    const others = Object.entries(targets).flatMap(([at, each]) => {
      const other = snapshotOf(each);
      return at !== path && other?.collection === own.collection
        ? [{ at, sequence: other.sequence }]
        : [];
    });
    const [, ...over] = others.sort((a, b) => b.sequence - a.sequence);
    const gone = new Set(over.map(({ at }) => at));
    const kept = Object.entries(targets).filter(([at]) => !gone.has(at));
    return { ...Object.fromEntries(kept), [path]: target };
  });
}

/** Fails with `not_found`. */
export function removeTarget(
  draft: Draft,
  role: string,
  path: string,
  nowMs: number,
): Result<Changes> {
  if (!Object.hasOwn(draft.targets.get(role)?.targets ?? {}, path))
    return err(failure('not_found', `${role} has no target '${path}'`));
  return changeTargets(draft, role, nowMs, ({ [path]: _, ...others }) => others);
}

const patternsOf = (draft: Draft, role: string): readonly string[] =>
  delegationsOf(draft).roles.find(({ name }) => name === role)?.paths ?? [];

function changeTargets(
  draft: Draft,
  role: string,
  nowMs: number,
  change: (targets: Targets['targets']) => Targets['targets'],
): Result<Changes> {
  const before = draft.targets.get(role)?.targets ?? {};
  const after = renewTargets(draft, role, nowMs, { targets: change(before) });
  return after.ok ? ok({ targets: new Map([[role, after.value]]) }) : after;
}
