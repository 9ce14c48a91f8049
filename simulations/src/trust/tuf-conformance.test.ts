// The cases of the public conformance suite (github.com/theupdateframework/tuf-conformance), by its names, against the
// client that devices have: a simulated repository, no process, no HTTP. Those of its file downloads and its command line
// are in e2e/tuf-client.test.ts.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TrustClient } from '@skerry/edge-agent/trust';
import type { Signer } from '@skerry/shared/node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newSigner } from './key-ceremony.ts';
import { createTrustingDevice, type TrustingDevice } from './trusting-device.ts';
import { createTufSimulator, inDays, type TufSimulator } from './tuf-simulator.ts';

const dayMs = 86_400_000;
let repo: TufSimulator;
let device: TrustingDevice;

beforeEach(async () => {
  repo = createTufSimulator();
  await repo.begin();
  init(repo.roots[0] as Uint8Array);
});

afterEach(() => {
  device.close();
  vi.useRealTimers();
});

function init(root: Uint8Array): void {
  device?.close();
  device = createTrustingDevice(root);
}

const client = (): TrustClient => device.open();
const refresh = async (...paths: string[]): Promise<boolean> =>
  (await client().refresh(repo.source(), paths)).ok;
const fileOf = (role: string): Buffer => readFileSync(join(device.folder, 'trust', `${role}.json`));
const version = (role: string): number => JSON.parse(fileOf(role).toString()).signed.version;
const trusted = (): string[] =>
  readdirSync(join(device.folder, 'trust')).filter((name) => name.endsWith('.json'));

describe('[TUF1] basic', () => {
  it('[TUF1] test_basic_init_and_refresh', async () => {
    expect(await refresh()).toBe(true);
    const asked = [
      ['root', 2],
      ['timestamp', undefined],
      ['snapshot', 1],
      ['targets', 1],
    ];
    expect(repo.asked).toEqual(asked);
    for (const role of ['root', 'timestamp', 'snapshot', 'targets']) expect(version(role)).toBe(1);
  });

  it('[TUF1] test_implicit_refresh', async () => {
    expect(await refresh('nonexistent artifact')).toBe(true);
    expect((await client().target('nonexistent artifact')).ok).toBe(false);
    expect(repo.asked).toHaveLength(4);
  });

  it.each(['invalid', 'unsigned'])('[TUF16] test_%s_initial_root', async (kind) => {
    const root = JSON.parse(Buffer.from(repo.roots[0] as Uint8Array).toString());
    if (kind === 'invalid') delete root.signed.version;
    else root.signatures[0].sig = '00'.repeat(64);
    init(Buffer.from(JSON.stringify(root)));
    expect(await refresh()).toBe(false);
    expect(repo.asked).toEqual([]);
  });

  it('[TUF11] test_timestamp_eq_versions_check', async () => {
    await refresh();
    const before = fileOf('timestamp');
    repo.timestamp.meta['snapshot.json'] = { version: 100 };
    await refresh();
    expect(fileOf('timestamp')).toEqual(before);
  });

  it('[TUF13] test_new_targets_hash_mismatch', async () => {
    await refresh();
    repo.hash(true);
    await repo.updateSnapshot();
    expect(await refresh()).toBe(true);
    const before = version('targets');
    repo.top().version += 1;
    (repo.snapshot.meta['targets.json'] as { version: number }).version = repo.top().version;
    repo.snapshot.version += 1;
    await repo.updateTimestamp();
    expect(await refresh()).toBe(false);
    expect(version('targets')).toBe(before);
  });

  it('[TUF13] test_new_targets_version_mismatch', async () => {
    await refresh();
    repo.top().version += 1;
    expect(await refresh()).toBe(true);
    expect(version('targets')).toBe(1);
  });

  it('[TUF1] test_custom_fields', async () => {
    await refresh();
    repo.root['custom-field'] = 'value';
    const [keyid = ''] = repo.root.roles['root']?.keyids ?? [];
    Object.assign(repo.root.keys[keyid] ?? {}, { 'extra-field': { a: 1, b: 2 } });
    Object.assign(repo.root.roles['root'] ?? {}, { 'another-field': 'value' });
    await repo.bumpRoot();
    expect(await refresh()).toBe(true);
    expect(version('root')).toBe(2);
  });

  it.each(['?', '#', '/delegatedrole', '../delegatedrole'])(
    '[TUF1] test_unusual_role_name %s',
    async (role) => {
      repo.delegate('targets', role);
      repo.top().version += 1;
      await repo.updateSnapshot();
      expect(await refresh('nonexistent')).toBe(true);
      expect(await client().target('nonexistent')).toMatchObject({ error: { code: 'not_found' } });
      expect(repo.asked).toContainEqual([role, 1]);
      expect(trusted()).toHaveLength(5);
    },
  );
});

describe('rollback', () => {
  it('[TUF11] test_new_timestamp_version_rollback', async () => {
    await repo.updateTimestamp();
    expect(await refresh()).toBe(true);
    repo.timestamp.version = 1;
    expect(await refresh()).toBe(false);
    expect(version('timestamp')).toBe(2);
  });

  it.each([false, true])('[TUF11] test_snapshot_rollback, with hashes: %s', async (hashes) => {
    repo.hash(hashes);
    await repo.updateSnapshot();
    expect(await refresh()).toBe(true);
    repo.snapshot.version = 1;
    await repo.updateTimestamp();
    expect(await refresh()).toBe(false);
    expect([version('timestamp'), version('snapshot')]).toEqual([2, 2]);
    expect(repo.asked.at(-1)).toEqual(['timestamp', undefined]);
  });

  it.each([false, true])('[TUF11] test_targets_rollback, with hashes: %s', async (hashes) => {
    repo.hash(hashes);
    repo.top().version = 3;
    await repo.updateSnapshot();
    expect(await refresh()).toBe(true);
    repo.top().version = 1;
    await repo.updateSnapshot();
    expect(await refresh()).toBe(false);
    expect([version('snapshot'), version('targets')]).toEqual([2, 3]);
  });

  it('[TUF13] test_new_snapshot_version_mismatch', async () => {
    repo.snapshot.version += 1;
    expect(await refresh()).toBe(false);
    expect(trusted().sort()).toEqual(['root.json', 'timestamp.json']);
  });

  it('[TUF14] test_new_targets_fast_forward_recovery', async () => {
    repo.top().version = 100;
    await repo.updateSnapshot();
    expect(await refresh()).toBe(true);
    repo.rotate('snapshot');
    await repo.bumpRoot();
    repo.top().version = 1;
    await repo.updateSnapshot();
    expect(await refresh()).toBe(true);
    expect(version('targets')).toBe(1);
  });

  it('[TUF14] test_new_snapshot_fast_forward_recovery', async () => {
    repo.snapshot.version = 99_999;
    await repo.updateTimestamp();
    expect(await refresh()).toBe(true);
    repo.rotate('snapshot');
    repo.rotate('timestamp');
    await repo.bumpRoot();
    repo.snapshot.version = 1;
    await repo.updateTimestamp();
    expect(await refresh()).toBe(true);
    expect(version('snapshot')).toBe(1);
  });

  it('[TUF14] test_new_timestamp_fast_forward_recovery', async () => {
    repo.timestamp.version = 100;
    expect(await refresh()).toBe(true);
    repo.rotate('timestamp');
    await repo.bumpRoot();
    repo.timestamp.version = 1;
    expect(await refresh()).toBe(true);
    expect(version('timestamp')).toBe(1);
  });
});

describe('expiration', () => {
  it('[TUF12] test_root_expired', async () => {
    await refresh();
    repo.root.expires = inDays(-1);
    await repo.bumpRoot();
    await repo.updateTimestamp();
    expect(await client().refresh(repo.source())).toMatchObject({ error: { code: 'expired' } });
    expect([version('root'), version('timestamp')]).toEqual([2, 1]);
  });

  it.each(['timestamp', 'snapshot'] as const)('[TUF12] test_%s_expired', async (role) => {
    await refresh();
    repo[role].expires = inDays(-5);
    await repo.updateSnapshot();
    expect(await client().refresh(repo.source())).toMatchObject({ error: { code: 'expired' } });
    expect(version(role)).toBe(1);
  });

  it('[TUF12] test_targets_expired', async () => {
    await refresh();
    repo.top().expires = inDays(-5);
    repo.top().version += 1;
    await repo.updateSnapshot();
    expect(await client().refresh(repo.source())).toMatchObject({ error: { code: 'expired' } });
    expect(version('targets')).toBe(1);
  });

  it('[TUF12] test_expired_metadata: expired files of our own still guard against rollback', async () => {
    repo.timestamp.expires = inDays(7);
    expect(await refresh()).toBe(true);
    repo.top().version += 1;
    repo.timestamp.expires = inDays(21);
    await repo.updateSnapshot();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 18 * dayMs });
    expect(await refresh()).toBe(true);
    expect([version('targets'), version('timestamp'), version('snapshot')]).toEqual([2, 2, 2]);
    repo.timestamp.version = 1;
    expect(await refresh()).toBe(false);
  });
});

describe('keys', () => {
  const snapshotRole = () => repo.root.roles['snapshot'] as { keyids: string[]; threshold: number };

  it('[TUF16] test_snapshot_threshold', async () => {
    await refresh();
    for (let i = 0; i < 4; i++) repo.addKey('snapshot');
    snapshotRole().threshold = 6;
    await repo.bumpRoot();
    await repo.updateSnapshot();
    expect(await refresh()).toBe(false);
    expect(version('snapshot')).toBe(1);
  });

  it('[TUF16] test_root_has_keys_but_not_snapshot', async () => {
    await refresh();
    snapshotRole().threshold = 2;
    const stranger = newSigner();
    repo.root.keys[stranger.keyId] = { ...stranger.publicKey };
    await repo.bumpRoot();
    await repo.updateSnapshot();
    expect(await refresh()).toBe(false);
    snapshotRole().keyids.push(stranger.keyId);
    await repo.bumpRoot();
    expect(await refresh()).toBe(false);
    expect([version('root'), version('snapshot')]).toEqual([3, 1]);
  });

  it('[TUF16] test_duplicate_keys_root', async () => {
    await refresh();
    const { keyids } = snapshotRole();
    keyids.push(...keyids, ...keyids);
    snapshotRole().threshold = 3;
    await repo.bumpRoot();
    await repo.updateSnapshot();
    expect(await refresh()).toBe(false);
    expect(version('snapshot')).toBe(1);
  });

  it('[TUF1] test_wrong_hashing_algorithm', async () => {
    await refresh();
    const [keyid = ''] = snapshotRole().keyids;
    Object.assign(repo.root.keys[keyid] ?? {}, { keyid_hash_algorithms: ['md5'] });
    await repo.bumpRoot();
    await repo.updateSnapshot();
    expect(await refresh()).toBe(true);
    expect([version('root'), version('snapshot')]).toEqual([2, 2]);
  });
});

/** Who may sign, how many must, who has. */
type Version = readonly [keys: readonly number[], threshold: number, signers: readonly number[]];

const five = [0, 1, 2, 3, 4];
const oneOfFiveNew = [0, 1, 3, 4, 5];
const rootRotations: Record<string, [boolean, ...Version[]]> = {
  '1-of-1-key-rotation': [true, [[1], 1, [1]], [[2], 1, [2, 1]], [[2], 1, [2]]],
  '1-of-1-key-rotation-unused-signatures': [
    true,
    [[1], 1, [3, 1, 4]],
    [[2], 1, [3, 2, 1, 4]],
    [[2], 1, [3, 2, 4]],
  ],
  '3-of-5-sign-with-different-keycombos': [
    true,
    [five, 3, [0, 2, 4]],
    [five, 3, [0, 4, 1]],
    [five, 3, [0, 1, 3]],
    [five, 3, [0, 1, 3]],
  ],
  '3-of-5-one-key-rotated': [true, [five, 3, [0, 2, 4]], [oneOfFiveNew, 3, [0, 4, 1]]],
  '3-of-5-one-key-rotated-with-intermediate-step': [
    true,
    [five, 3, [0, 2, 4]],
    [oneOfFiveNew, 3, [0, 2, 4, 5]],
    [oneOfFiveNew, 3, [0, 4, 5]],
  ],
  '3-of-5-all-keys-rotated-with-intermediate-step': [
    true,
    [five, 3, [0, 2, 4]],
    [[5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]],
    [[5, 6, 7, 8, 9], 3, [5, 6, 7]],
  ],
  '1-of-3-threshold-increase-to-2-of-3': [true, [[1, 2, 3], 1, [1]], [[1, 2, 3], 2, [1, 2]]],
  '2-of-3-threshold-decrease-to-1-of-3': [
    true,
    [[1, 2, 3], 2, [1, 2]],
    [[1, 2, 3], 1, [1, 2]],
    [[1, 2, 3], 1, [1]],
  ],
  '1-of-2-threshold-increase-to-2-of-2': [true, [[1], 1, [1]], [[1, 2], 2, [1, 2]]],
  '1-of-1-key-rotation-fail-not-signed-with-old-key': [false, [[1], 1, [1]], [[2], 1, [2, 3, 4]]],
  '1-of-1-key-rotation-fail-not-signed-with-new-key': [false, [[1], 1, [1]], [[2], 1, [1, 3, 4]]],
  '3-of-5-one-key-rotate-fails-not-signed-with-3-new-keys': [
    false,
    [five, 3, [0, 2, 4]],
    [oneOfFiveNew, 3, [0, 2, 4]],
  ],
  '3-of-5-one-key-rotate-fails-not-signed-with-3-old-keys': [
    false,
    [five, 3, [0, 2, 4]],
    [oneOfFiveNew, 3, [0, 4, 5]],
  ],
  '1-of-3-threshold-bump-to-2-of-3-fails-new-threshold-not-reached': [
    false,
    [[1, 2, 3], 1, [1]],
    [[1, 2, 3], 2, [2]],
  ],
  '2-of-3-threshold-decr-to-1-of-3-fails-old-threshold-not-reached': [
    false,
    [[1, 2, 3], 2, [1, 2]],
    [[1, 2, 3], 1, [1]],
  ],
};

function setKeys(role: string, all: readonly Signer[], [keys, threshold, signers]: Version): void {
  const of = (numbers: readonly number[]): Signer[] => numbers.map((n) => all[n] as Signer);
  repo.root.roles[role] = { keyids: of(keys).map(({ keyId }) => keyId), threshold };
  for (const { keyId, publicKey } of of(keys)) repo.root.keys[keyId] = { ...publicKey };
  repo.signers.set(role, of(signers));
}

describe('key rotations', () => {
  const all = Array.from({ length: 10 }, newSigner);

  it.each(Object.entries(rootRotations))(
    '[TUF5] test_root_rotation %s',
    async (_, [good, ...versions]) => {
      repo.roots.length = 0;
      repo.root.version = 0;
      for (const each of versions) {
        setKeys('root', all, each);
        await repo.bumpRoot();
      }
      init(repo.roots[0] as Uint8Array);
      expect(await refresh()).toBe(good);
      const expected = repo.roots.at(good ? -1 : -2) as Uint8Array;
      expect(fileOf('root')).toEqual(Buffer.from(expected));
    },
  );

  const others: Record<string, [boolean, Version]> = {
    '1-of-1-key-rotation': [true, [[2], 1, [2]]],
    '1-of-1-key-rotation-unused-signatures': [true, [[1], 1, [3, 1, 4]]],
    '1-of-1-key-rotation-fail-not-signed-with-new-key': [false, [[2], 1, [1, 3, 4]]],
    '3-of-5-one-key-signature-wrong-not-signed-with-3-expected-keys': [
      false,
      [oneOfFiveNew, 3, [0, 2, 4]],
    ],
    '2-of-5-one-key-signature-missing-threshold-not-reached': [false, [oneOfFiveNew, 3, [0, 4]]],
    '3-of-5-sign-first-combo': [true, [five, 3, [0, 2, 4]]],
    '3-of-5-sign-second-combo': [true, [five, 3, [0, 4, 1]]],
    '3-of-5-sign-third-combo': [true, [five, 3, [0, 1, 3]]],
    '3-of-5-sign-fourth-combo': [true, [five, 3, [1, 2, 3]]],
    '3-of-5-sign-fifth-combo': [true, [five, 3, [2, 3, 4]]],
  };
  it.each(Object.entries(others))('[TUF19] test_non_root_rotations %s', async (_, [good, keys]) => {
    for (const role of ['timestamp', 'snapshot', 'targets']) {
      setKeys(role, all, keys);
      await repo.bumpRoot();
      expect(await refresh()).toBe(good);
      const published = await repo.file(role === 'timestamp' ? 'timestamp.json' : `1.${role}.json`);
      if (good) expect(fileOf(role)).toEqual(Buffer.from(published as Uint8Array));
    }
  });
});

/** Delegations as [by, name, paths, terminating], and who is asked, in which order. */
type Graph = readonly [string[], ...[by: string, name: string, paths?: string[], last?: boolean][]];

const graphs: Record<string, Graph> = {
  'basic-delegation': [['A'], ['targets', 'A']],
  'single-level-delegations': [
    ['A', 'B'],
    ['targets', 'A'],
    ['targets', 'B'],
  ],
  'two-level-delegations': [
    ['A', 'B', 'C'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['B', 'C'],
  ],
  'two-level-test-DFS-order-of-traversal': [
    ['A', 'C', 'D', 'B'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['A', 'C'],
    ['A', 'D'],
  ],
  'three-level-delegation-test-DFS-order-of-traversal': [
    ['A', 'C', 'D', 'B'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['A', 'C'],
    ['C', 'D'],
  ],
  'two-level-terminating-ignores-all-but-roles-descendants': [
    ['A', 'C'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['A', 'C', ['*'], true],
    ['A', 'D'],
  ],
  'three-level-terminating-ignores-all-but-roles-descendants': [
    ['A', 'C', 'D'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['A', 'C', ['*'], true],
    ['C', 'D'],
  ],
  'two-level-ignores-all-branches-not-matching-paths': [
    ['B'],
    ['targets', 'A', ['*.py']],
    ['targets', 'B'],
    ['A', 'C'],
  ],
  'three-level-ignores-all-branches-not-matching-paths': [
    ['A', 'B'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['A', 'C', ['*.py']],
    ['C', 'D'],
  ],
  'cyclic-graph': [
    ['A', 'B', 'C', 'D'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['B', 'C'],
    ['C', 'D'],
    ['D', 'B'],
  ],
  'two-roles-delegating-to-a-third': [
    ['A', 'C', 'B'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['B', 'C'],
    ['A', 'C'],
  ],
  'two-roles-delegating-to-a-third-different-paths': [
    ['A', 'B', 'C'],
    ['targets', 'A'],
    ['targets', 'B'],
    ['B', 'C'],
    ['A', 'C', ['*.py']],
  ],
};

describe('delegations', () => {
  const delegated = () => repo.asked.slice(4).map(([role]) => role);

  it.each(Object.entries(graphs))(
    '[TUF23] test_graph_traversal %s',
    async (_, [order, ...edges]) => {
      for (const [by, name, paths, last] of edges) repo.delegate(by, name, paths, last);
      await repo.updateSnapshot();
      expect(await refresh('missingpath')).toBe(true);
      expect(delegated()).toEqual(order);
      expect(await client().target('missingpath')).toMatchObject({ error: { code: 'not_found' } });
    },
  );

  // Bundles' paths in place of the suite's, so that the client gives them out.
  it.each([
    ['top/1.0.0/manifest.json', true, []],
    ['doc/1.0.0/manifest.json', true, ['A']],
    ['x/1.0.0/manifest.json', true, ['B', 'C']],
    ['y/1.0.0/manifest.json', true, ['B', 'D']],
    ['z/1.0.0/manifest.json', false, ['B']],
  ] as const)('[TUF23] test_targetfile_search %s', async (path, found, visited) => {
    repo.delegate('targets', 'A', ['doc/*/*']);
    repo.delegate('targets', 'B', ['?/*/*']);
    repo.delegate('B', 'C', ['x/*/*']);
    repo.delegate('B', 'D', ['y/*/manifest.json']);
    for (const [role, name] of [
      ['targets', 'top'],
      ['A', 'doc'],
      ['C', 'x'],
      ['D', 'y'],
      ['D', 'z'],
    ])
      repo.addTarget(role as string, `${name}/1.0.0/manifest.json`);
    await repo.updateSnapshot();
    expect(await refresh(path)).toBe(true);
    expect((await client().target(path)).ok).toBe(found);
    expect(delegated()).toEqual(visited);
  });
});
