// Metadata for people: what a key holder is about to sign, and how the repository stands.

import { instantMs, sha256 } from '@skerry/shared/node';
import { keySetOf, onlineRoles } from './edit-keys.ts';
import {
  canonicalBytes,
  type Delegation,
  type KeySet,
  type Root,
  type Signed,
  type Targets,
} from './metadata.ts';
import type { Published } from './published.ts';
import type { StagedRole } from './repository.ts';

const dayMs = 86_400_000;
const keyIdChars = 8;
const linesMax = 100;

export const shortId = (keyId: string): string => keyId.slice(0, keyIdChars);

const keysOf = ({ keyids, threshold }: KeySet): string =>
  `${threshold} of ${keyids.length} keys (${keyids.map(shortId).join(' ')})`;

/** All that a signature would say, for whoever compares it with what was agreed. */
export function describeSigned(role: string, signed: Signed): string {
  const about =
    signed._type === 'root'
      ? rootLines(signed)
      : signed._type === 'targets'
        ? targetsLines(signed)
        : [];
  const shown =
    about.length > linesMax ? [...about.slice(0, linesMax), `… ${about.length} in all`] : about;
  return [
    `${role}, version ${signed.version}, good until ${signed.expires}`,
    ...shown.map((line) => `  ${line}`),
    `  what is signed: ${sha256(canonicalBytes(signed))}`,
  ].join('\n');
}

const rootLines = (root: Root): string[] =>
  (['root', 'targets', ...onlineRoles] as const).map(
    (role) => `${role.padEnd(10)}${keysOf(keySetOf(root, role))}`,
  );

const targetsLines = ({ targets, delegations }: Targets): string[] => [
  ...Object.entries(targets).map(
    ([path, { hashes, length, custom = {} }]) =>
      `${path}  sha256:${hashes.sha256}  ${length} bytes  ${JSON.stringify(custom)}`,
  ),
  ...(delegations?.roles ?? []).map(teamLine),
];

const teamLine = ({ name, paths, terminating, ...keys }: Delegation): string =>
  `team ${name}: ${keysOf(keys)} for ${paths.join(', ')}${terminating ? ', and nobody below' : ''}`;

/** Which signatures are there, and whose are not. */
export function describeStaged({ role, metadata, needs }: StagedRole): string {
  const lines = needs.map(({ keySet, signers }, at) => {
    const missing = keySet.threshold - signers.length;
    const by = role === 'root' && at === 1 ? ' (the keys of the root before it)' : '';
    if (missing <= 0) return `  signed by ${signers.map(shortId).join(' ')}: enough${by}`;
    const open = keySet.keyids.filter((id) => !signers.includes(id)).map(shortId);
    return `  ${missing} more of: ${open.join(' ')}${by}`;
  });
  return [`${role}, version ${metadata.signed.version}, is staged`, ...lines].join('\n');
}

/** Until the first of the roles expires; no number where nothing is published. */
export function goodForSeconds(published: Published | undefined, nowMs: number): number {
  if (published === undefined) return Number.NaN;
  const { root, snapshot, timestamp, targets } = published;
  const all: Signed[] = [root.signed, snapshot.signed, timestamp.signed];
  for (const { signed } of targets.values()) all.push(signed);
  return (Math.min(...all.map(({ expires }) => instantMs(expires))) - nowMs) / 1_000;
}

export function describePublished(
  { root, snapshot, timestamp, targets }: Published,
  nowMs: number,
): string {
  const line = (name: string, { version, expires }: Signed, who: string): string => {
    const days = (instantMs(expires) - nowMs) / dayMs;
    const left =
      days <= 0 ? 'EXPIRED' : days < 2 ? `${Math.floor(days * 24)} h` : `${Math.floor(days)} days`;
    return `${name.padEnd(16)}${String(version).padStart(6)}  ${left.padStart(9)}  ${who}`;
  };
  const { roles } = root.signed;
  const teams = targets.get('targets')?.signed.delegations?.roles ?? [];
  return [
    `${'role'.padEnd(16)}version  good for  signed by`,
    line('root', root.signed, keysOf(roles.root)),
    ...[...targets].map(([name, { signed }]) => {
      const keys = teams.find((team) => team.name === name) ?? roles.targets;
      const count = Object.keys(signed.targets).length;
      return line(name, signed, `${keysOf(keys)}, ${count} bundles`);
    }),
    line('snapshot', snapshot.signed, keysOf(roles.snapshot)),
    line('timestamp', timestamp.signed, keysOf(roles.timestamp)),
    `${'director'.padEnd(34)}${keysOf(keySetOf(root.signed, 'director'))}`,
  ].join('\n');
}
