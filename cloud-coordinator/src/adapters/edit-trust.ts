// One edit of the repository in a data folder, from the command line: read, change, stage, say who must sign.

import { join } from 'node:path';
import { ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { describeStaged } from '../update/trust/describe.ts';
import type { Changes, Draft } from '../update/trust/draft.ts';
import type { TrustRepository } from '../update/trust/repository.ts';
import { openTrust, trustFolders } from './open-trust.ts';

export async function withRepository(
  dataDir: string,
  act: (repository: TrustRepository) => Promise<Result<string>>,
): Promise<Result<string>> {
  const opened = openTrust(dataDir, [], systemClock);
  return opened.ok ? act(opened.value.repository) : opened;
}

export function editTrust(
  dataDir: string,
  change: (draft: Draft, nowMs: number) => Promise<Result<Changes>>,
): Promise<Result<string>> {
  return withRepository(dataDir, async (repository) => {
    const draft = await repository.draft();
    if (!draft.ok) return draft;
    const changes = await change(draft.value, systemClock.nowMs());
    if (!changes.ok) return changes;
    const staged = await repository.stage(changes.value);
    return staged.ok ? describeWaiting(dataDir, repository) : staged;
  });
}

export async function describeWaiting(
  dataDir: string,
  repository: TrustRepository,
): Promise<Result<string>> {
  const staged = await repository.staged();
  if (!staged.ok) return staged;
  if (staged.value.length === 0) return ok('nothing waits for signatures');
  const files = staged.value.map((each) => {
    const path = join(trustFolders(dataDir).staged, `${each.role}.json`);
    return `${describeStaged(each)}\n  ${path}`;
  });
  return ok(
    [
      ...files,
      'Each key holder: tuf sign --key KEY --file FILE; then tuf collect, tuf publish.',
    ].join('\n'),
  );
}
