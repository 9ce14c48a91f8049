// Whether what is published lets a bundle be installed, found as a client finds it: the top level's word first, then the
// teams' in their order (TUF specification §5.6.7).

import { topLevel } from './draft.ts';
import { matchesPattern } from './match-pattern.ts';
import type { TargetFile } from './metadata.ts';
import type { Published } from './published.ts';

export function signedTarget({ targets }: Published, path: string): TargetFile | undefined {
  const top = targets.get(topLevel)?.signed;
  const own = top?.targets[path];
  if (own !== undefined) return own;
  for (const { name, paths, terminating } of top?.delegations?.roles ?? []) {
    if (!paths.some((pattern) => matchesPattern(path, pattern))) continue;
    const found = targets.get(name)?.signed.targets[path];
    if (found !== undefined || terminating) return found;
  }
  return undefined;
}
