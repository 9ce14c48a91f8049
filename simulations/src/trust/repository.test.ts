// The repository side by its rules; whether what it publishes is whole is judged by the client that devices have.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addTarget,
  createStagedFiles,
  createTrustFiles,
  createTrustRepository,
  delegate,
  parseAnyMetadata,
  rotateKeys,
  signMetadata,
  type TrustStore,
} from '@skerry/cloud-coordinator/trust';
import { openPack } from '@skerry/edge-agent/trust';
import { err, failure } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import { afterEach, describe, expect, it } from 'vitest';
import {
  holdCeremony,
  type KeyCeremony,
  mirrorOf,
  must,
  newSigner,
  sourceOf,
} from './key-ceremony.ts';
import { createTrustingDevice } from './trusting-device.ts';

const dayMs = 86_400_000;
const v1 = 'digits/1.0.0/manifest.json';
const v2 = 'digits/2.0.0/manifest.json';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const opened: KeyCeremony[] = [];
async function open(...settings: Parameters<typeof holdCeremony>): Promise<KeyCeremony> {
  const ceremony = await holdCeremony(...settings);
  opened.push(ceremony);
  return ceremony;
}

afterEach(() => {
  for (const ceremony of opened.splice(0)) ceremony.close();
});

const refused = (code: string) => ({ ok: false, error: { code } });

describe('keys', () => {
  it('[TUF2] one key is never enough for root or targets', async () => {
    const { repository, keys, nowMs } = await open();
    const draft = must(await repository.draft());
    for (const role of ['root', 'targets'] as const) {
      const remove = keys[role].slice(0, 2).map(({ keyId }) => keyId);
      const lower = { add: [], remove, threshold: 1 };
      expect(rotateKeys(draft, role, lower, nowMs())).toMatchObject(refused('invalid_argument'));
      const fewer = { add: [], remove };
      expect(rotateKeys(draft, role, fewer, nowMs())).toMatchObject(refused('invalid_argument'));
    }
  });

  it('[TUF2] one key by two names is no metadata', async () => {
    const { repository, keys } = await open();
    const text = new TextDecoder().decode(must(await repository.file('1.root.json')));
    const [one, two] = keys.root.map(({ keyId }) => keyId) as [string, string];
    const json = JSON.parse(text);
    json.signed.keys[two] = json.signed.keys[one];
    const parsed = parseAnyMetadata(bytes(JSON.stringify(json)));
    expect(parsed).toMatchObject(refused('malformed_message'));
    expect(parseAnyMetadata(bytes(text)).ok).toBe(true);
  });

  it('[TUF2] no key is online and offline at once', async () => {
    const { repository, keys, nowMs } = await open();
    const draft = must(await repository.draft());
    const add = [keys.root[0]?.publicKey ?? newSigner().publicKey];
    for (const role of ['snapshot', 'timestamp', 'director'])
      expect(rotateKeys(draft, role, { add, remove: [] }, nowMs())).toMatchObject(
        refused('invalid_argument'),
      );
  });

  it.each(['old first', 'new first'])(
    '[TUF5] a new root needs the keys of the one before it and its own, %s',
    async (order) => {
      const { repository, keys, nowMs } = await open();
      const fresh = [newSigner(), newSigner(), newSigner()];
      const change = {
        add: fresh.map(({ publicKey }) => publicKey),
        remove: keys.root.map(({ keyId }) => keyId),
      };
      const draft = must(await repository.draft());
      must(await repository.stage(must(rotateKeys(draft, 'root', change, nowMs()))));
      const [staged] = must(await repository.staged());
      if (staged === undefined) throw new Error('nothing is staged');
      const both = order === 'old first' ? [keys.root, fresh] : [fresh, keys.root];
      for (const signers of both) {
        expect(await repository.publish()).toMatchObject(refused('untrusted'));
        const signed = must(await signMetadata(staged.metadata.signed, signers.slice(0, 2)));
        must(await repository.collect('root', signed));
      }
      expect(must(await repository.publish())).toContain('2.root.json');
    },
  );
});

describe('signing apart', () => {
  it('[TUF6] an edit voids the signatures that were there', async () => {
    const ceremony = await open();
    const { repository, keys } = ceremony;
    await ceremony.add(v1, bytes('one'));
    const [first] = must(await repository.staged());
    if (first === undefined) throw new Error('nothing is staged');
    const both = must(await signMetadata(first.metadata.signed, keys.targets.slice(0, 2)));
    must(await repository.collect('targets', both));
    await ceremony.add(v2, bytes('two'));
    expect(await repository.publish()).toMatchObject(refused('untrusted'));
    expect(await repository.collect('targets', both)).toMatchObject(refused('invalid_argument'));
  });

  it('[TUF6] a stranger’s signature does not count, nor one twice', async () => {
    const ceremony = await open();
    const { repository, keys } = ceremony;
    await ceremony.add(v1, bytes('one'));
    const [role] = must(await repository.staged());
    if (role === undefined) throw new Error('nothing is staged');
    const { signed } = role.metadata;
    const strange = must(await signMetadata(signed, [newSigner()]));
    expect(await repository.collect('targets', strange)).toMatchObject(refused('untrusted'));
    const one = must(await signMetadata(signed, keys.targets.slice(0, 1)));
    expect(await repository.collect('targets', one)).toEqual({ ok: true, value: 1 });
    expect(await repository.collect('targets', one)).toEqual({ ok: true, value: 0 });
    expect(await repository.publish()).toMatchObject(refused('untrusted'));
  });

  it('[TUF4] nothing is published that expired while it waited', async () => {
    const ceremony = await open();
    await ceremony.add(v1, bytes('one'));
    ceremony.pass(366 * dayMs);
    await expect(ceremony.publish(ceremony.keys.targets)).rejects.toThrow('expired');
  });

  it('[TUF4] nothing is published beside what has expired and stays', async () => {
    const ceremony = await open();
    const { repository, keys, nowMs } = ceremony;
    const team = newSigner();
    const rule = { name: 'vision', threshold: 1, paths: ['vision-*/*/*'], terminating: true };
    const keyed = { ...rule, keys: [team.publicKey] };
    ceremony.pass(100 * dayMs);
    must(await repository.stage(must(delegate(must(await repository.draft()), keyed, nowMs()))));
    await ceremony.publish([...keys.targets, team]);
    ceremony.pass(266 * dayMs);
    // The root is of the first day; targets and the team are good for another 99.
    await ceremony.add(v1, bytes('one'));
    await expect(ceremony.publish(keys.targets)).rejects.toThrow('root: expired');
    const root = async () =>
      repository.stage(
        must(rotateKeys(must(await repository.draft()), 'root', { add: [], remove: [] }, nowMs())),
      );
    must(await root());
    await ceremony.publish([...keys.root, ...keys.targets]);
    ceremony.pass(100 * dayMs);
    must(await root());
    // The others go on, and so do their clients; the team itself, signed anew, is heard again.
    await ceremony.publish(keys.root);
    await ceremony.add(v1.replace('1.0.0', '1.1.0'), bytes('two'));
    await ceremony.publish(keys.targets);
    const device = createTrustingDevice(must(await repository.file('1.root.json')));
    device.setClock(ceremony.nowMs());
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony)), [v1]));
    expect((await device.open().target(v1)).ok).toBe(true);
    device.close();
  });

  it('[TUF4] nothing is published behind a team that has expired and stands before it', async () => {
    const ceremony = await open();
    const { repository, keys, nowMs } = ceremony;
    const [first, second] = [newSigner(), newSigner()];
    const delegated = async (name: string, { publicKey }: Signer): Promise<void> => {
      const rule = { threshold: 1, paths: ['vision-*/*/*'], terminating: false };
      const team = { ...rule, name, keys: [publicKey] };
      must(await repository.stage(must(delegate(must(await repository.draft()), team, nowMs()))));
    };
    await delegated('first', first);
    await ceremony.publish([...keys.targets, first]);
    ceremony.pass(300 * dayMs);
    await delegated('second', second);
    const same = { add: [], remove: [] };
    const root = must(rotateKeys(must(await repository.draft()), 'root', same, nowMs()));
    must(await repository.stage(root));
    await ceremony.publish([...keys.root, ...keys.targets, second]);
    ceremony.pass(100 * dayMs);
    await ceremony.add('vision-a/1.0.0/manifest.json', bytes('a'), undefined, 'second');
    await expect(ceremony.publish([second])).rejects.toThrow('first: expired');
  });

  it('[TUF4] new targets keys without new signatures publish nothing', async () => {
    const { repository, keys, nowMs } = await open();
    const fresh = keys.targets.map(newSigner);
    const change = {
      add: fresh.map(({ publicKey }) => publicKey),
      remove: keys.targets.map(({ keyId }) => keyId),
    };
    const draft = must(await repository.draft());
    must(await repository.stage(must(rotateKeys(draft, 'targets', change, nowMs()))));
    const root = must(await repository.staged()).find(({ role }) => role === 'root');
    if (root === undefined) throw new Error('no root is staged');
    must(
      await repository.collect('root', must(await signMetadata(root.metadata.signed, keys.root))),
    );
    expect(await repository.publish(['root'])).toMatchObject(refused('untrusted'));
    expect(await repository.publish()).toMatchObject(refused('untrusted'));
  });
});

describe('teams', () => {
  it('[TUF8] a team publishes its own targets with its own keys, and no others', async () => {
    const ceremony = await open();
    const { repository, keys, nowMs } = ceremony;
    const team = [newSigner(), newSigner()];
    const rule = {
      name: 'vision',
      keys: team.map(({ publicKey }) => publicKey),
      threshold: 2,
      paths: ['vision-*/*/*'],
      terminating: true,
    };
    must(await repository.stage(must(delegate(must(await repository.draft()), rule, nowMs()))));
    await ceremony.publish([...keys.targets, ...team]);
    const path = 'vision-a/1.0.0/manifest.json';
    await ceremony.add(path, bytes('a'), undefined, 'vision');
    await expect(ceremony.publish(team.slice(0, 1))).rejects.toThrow('1 of 2 signatures');
    await ceremony.publish(team);
    const stray = [v1, { length: 1, hashes: { sha256: '0'.repeat(64) } }] as const;
    expect(addTarget(must(await repository.draft()), 'vision', stray, nowMs())).toMatchObject(
      refused('invalid_argument'),
    );
    const device = createTrustingDevice(must(await repository.file('1.root.json')));
    const client = device.open();
    must(await client.refresh(sourceOf(await mirrorOf(ceremony)), [path]));
    expect(must(await client.target(path)).custom.model).toBe('vision-a');
    device.close();
  });

  it('[TUF8] a team with other keys, or other rules, speaks when it spoke before', async () => {
    const { repository, nowMs } = await open();
    const draft = async () => must(await repository.draft());
    const rule = { threshold: 1, paths: ['*/*/*'], terminating: true };
    for (const name of ['vision', 'speech', 'other']) {
      const team = { ...rule, name, keys: [newSigner().publicKey] };
      must(await repository.stage(must(delegate(await draft(), team, nowMs()))));
    }
    const roles = async () => (await draft()).targets.get('targets')?.delegations?.roles ?? [];
    const [first] = await roles();
    const fresh = newSigner();
    const change = { add: [fresh.publicKey], remove: first?.keyids ?? [] };
    must(await repository.stage(must(rotateKeys(await draft(), 'vision', change, nowMs()))));
    expect((await roles()).map(({ name }) => name)).toEqual(['vision', 'speech', 'other']);
    expect((await roles())[0]?.keyids).toEqual([fresh.keyId]);
    const other = { ...rule, name: 'speech', keys: [fresh.publicKey], paths: ['speech-*/*/*'] };
    must(await repository.stage(must(delegate(await draft(), other, nowMs()))));
    expect((await roles()).map(({ paths }) => paths[0])).toEqual([
      '*/*/*',
      'speech-*/*/*',
      '*/*/*',
    ]);
  });

  it('[TUF8] a team’s name begins with a letter: clients would put a number before the others', async () => {
    const { repository, nowMs } = await open();
    const rule = { keys: [newSigner().publicKey], threshold: 1, paths: ['*'], terminating: false };
    const draft = must(await repository.draft());
    for (const name of ['1', '7z', 'root', 'targets', 'snapshot', 'timestamp', 'director'])
      expect(delegate(draft, { ...rule, name }, nowMs()), name).toMatchObject(
        refused('invalid_argument'),
      );
  });
});

describe('time', () => {
  it('[TUF7] timestamp and snapshot are signed anew before they run out, and not before', async () => {
    const ceremony = await open();
    const { repository } = ceremony;
    expect(await repository.refresh()).toEqual({ ok: true, value: 'fresh' });
    const before = must(await repository.published());
    ceremony.pass(dayMs * 0.6);
    expect(await repository.refresh()).toEqual({ ok: true, value: 'signed' });
    const after = must(await repository.published());
    expect(after?.timestamp.signed.version).toBe((before?.timestamp.signed.version ?? 0) + 1);
    expect(after?.snapshot.signed.version).toBe(before?.snapshot.signed.version);
    ceremony.pass(4 * dayMs);
    must(await repository.refresh());
    const later = must(await repository.published());
    expect(later?.snapshot.signed.version).toBe((before?.snapshot.signed.version ?? 0) + 1);
  });

  it('[TUF7] a coordinator without the online keys says whose are missing', async () => {
    const ceremony = await open();
    ceremony.online.length = 0;
    ceremony.pass(dayMs);
    const result = await ceremony.repository.refresh();
    expect(result).toMatchObject(refused('untrusted'));
    expect(JSON.stringify(result)).toContain('by the online keys here');
  });
});

it('[TUF9] one pack serves a device that has nothing but the first root', async () => {
  const ceremony = await open();
  await ceremony.add(v1, bytes('one'));
  await ceremony.publish(ceremony.keys.targets);
  const device = createTrustingDevice(must(await ceremony.repository.file('1.root.json')));
  const client = device.open();
  must(await client.refresh(must(openPack(must(await ceremony.repository.pack()))), [v1]));
  const digest = `sha256:${createHash('sha256').update('one').digest('hex')}`;
  expect(must(await client.target(v1))).toMatchObject({ digest, bytes: 3 });
  device.close();
});

describe('a crash', () => {
  /** What would be half a publication: keys of every role replaced, and a new target. */
  async function stageAll(ceremony: KeyCeremony) {
    const { repository, keys, nowMs } = ceremony;
    const fresh = [newSigner(), newSigner()];
    for (const role of ['targets', 'snapshot', 'timestamp'] as const) {
      const add = (role === 'targets' ? fresh : [newSigner()]).map((signer) => {
        if (role !== 'targets') ceremony.online.push(signer);
        return signer.publicKey;
      });
      const change = { add, remove: keys[role].map(({ keyId }) => keyId) };
      const draft = must(await repository.draft());
      must(await repository.stage(must(rotateKeys(draft, role, change, nowMs()))));
    }
    await ceremony.add(v2, bytes('two'));
    return [...keys.root, ...fresh];
  }

  /** Dies before the write with this number; 0 is the first. */
  function dying(store: TrustStore, life: { left: number; died: boolean }): TrustStore {
    const dead = err(failure('storage_failed', 'the process is dead'));
    const alive = <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
      (async (...args: A) => {
        if (life.left-- > 0) return act(...args);
        life.died = true;
        return dead;
      }) as (...args: A) => Promise<R>;
    return {
      ...store,
      commit: alive(store.commit),
      write: alive(store.write),
      prune: alive(store.prune),
    };
  }

  it('[TUF3] between any two writes leaves the old repository whole, or the new', async () => {
    const life = { left: Number.POSITIVE_INFINITY, died: false };
    const outcomes: string[] = [];
    for (let at = 0; at === 0 || life.died; at++) {
      life.left = Number.POSITIVE_INFINITY;
      const ceremony = await open((store) => dying(store, life));
      await ceremony.add(v1, bytes('one'));
      await ceremony.publish(ceremony.keys.targets);
      const root = must(await ceremony.repository.file('1.root.json'));
      const signers = await stageAll(ceremony);
      [life.left, life.died] = [at, false];
      await ceremony.publish(signers).catch(() => undefined);
      life.left = Number.POSITIVE_INFINITY;
      const device = createTrustingDevice(root);
      const client = device.open();
      must(await client.refresh(sourceOf(await mirrorOf(ceremony)), [v1, v2]));
      expect((await client.target(v1)).ok).toBe(true);
      const { ok } = await client.target(v2);
      outcomes.push(ok ? 'new' : 'old');
      if (!ok) {
        await ceremony.publish(signers);
        must(await client.refresh(sourceOf(await mirrorOf(ceremony)), [v2]));
        expect((await client.target(v2)).ok).toBe(true);
      }
      device.close();
    }
    expect(outcomes[0]).toBe('old');
    expect(outcomes.at(-1)).toBe('new');
    expect(outcomes.filter((each) => each === 'old').length).toBeGreaterThanOrEqual(4);
    expect(outcomes).toEqual([...outcomes].sort().reverse());
  });

  it('[TUF3] after the publication and before the staged files went does no harm', async () => {
    const ceremony = await open();
    await ceremony.add(v1, bytes('one'));
    const file = join(ceremony.folder, 'staged', 'targets.json');
    const left = readFileSync(file);
    await ceremony.publish(ceremony.keys.targets);
    const staging = createStagedFiles(join(ceremony.folder, 'staged'));
    must(await staging.put('targets', JSON.parse(left.toString())));
    expect(must(await ceremony.repository.staged())).toEqual([]);
    await ceremony.add(v2, bytes('two'));
    await ceremony.publish(ceremony.keys.targets);
    expect(
      must(await ceremony.repository.published())?.targets.get('targets')?.signed.version,
    ).toBe(3);
  });

  it('[TUF3] of a publication and a refresh at one moment neither is lost', async () => {
    const ceremony = await open();
    await ceremony.add(v1, bytes('one'));
    ceremony.pass(dayMs * 0.7);
    const store = createTrustFiles(join(ceremony.folder, 'tuf'), ceremony.nowMs);
    const other = createTrustRepository({
      store,
      staging: createStagedFiles(join(ceremony.folder, 'elsewhere')),
      signers: ceremony.online,
      clock: { nowMs: ceremony.nowMs, monotonicMs: ceremony.nowMs, after: () => ({ cancel() {} }) },
    });
    const results = await Promise.all([
      ceremony.publish(ceremony.keys.targets),
      ...Array.from({ length: 3 }, () => other.refresh()),
    ]);
    expect(results[0]).toContain('2.targets.json');
    const published = must(await ceremony.repository.published());
    expect(published?.targets.get('targets')?.signed.targets).toHaveProperty([v1]);
  });
});
