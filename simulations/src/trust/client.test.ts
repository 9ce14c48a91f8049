// The device's side by its rules: what it can always do again, what it believes for ever, and the one hole of tuf-js.

import { createHash } from 'node:crypto';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDirector, rotateKeys } from '@skerry/cloud-coordinator/trust';
import { type Signer, signEnvelope } from '@skerry/shared/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  forge,
  holdCeremony,
  type KeyCeremony,
  mirrorOf,
  must,
  newSigner,
  sourceOf,
} from './key-ceremony.ts';
import { createTrustingDevice, type TrustingDevice } from './trusting-device.ts';

const dayMs = 86_400_000;
const v1 = 'digits/1.0.0/manifest.json';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
interface SignedRoot {
  readonly signed: { readonly roles: { readonly root: { readonly keyids: readonly string[] } } };
  readonly signatures: readonly { readonly keyid: string }[];
}
const refused = (code: string) => ({ ok: false, error: { code } });

const directorWith = (...signers: Signer[]) =>
  createDirector({
    repository: ceremony.repository,
    signers,
    clock: { nowMs: Date.now, monotonicMs: Date.now, after: () => ({ cancel() {} }) },
  });

let ceremony: KeyCeremony;
let device: TrustingDevice;

beforeEach(async () => {
  ceremony = await holdCeremony();
  await ceremony.add(v1, bytes('one'));
  await ceremony.publish(ceremony.keys.targets);
  device = createTrustingDevice(must(await ceremony.repository.file('1.root.json')));
});

afterEach(() => {
  device.close();
  ceremony.close();
});

describe('after whatever has happened', () => {
  it('[TUF20] each file damaged, cut off or gone: the next refresh succeeds', async () => {
    const source = sourceOf(await mirrorOf(ceremony));
    must(await device.open().refresh(source, [v1]));
    const folder = join(device.folder, 'trust');
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const harms = [
        () => truncateSync(path, 20),
        () => truncateSync(path, 0),
        () => writeFileSync(path, '{"signed":{},"signatures":[]}'),
        () => writeFileSync(path, Buffer.alloc(6_000_000, 7)),
      ];
      for (const harm of harms) {
        harm();
        expect(await device.open().refresh(source, [v1]), name).toEqual({
          ok: true,
          value: undefined,
        });
        expect((await device.open().target(v1)).ok, name).toBe(true);
      }
    }
  });

  it('[TUF20] killed between any two files that it saves: the next refresh succeeds', async () => {
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony)), [v1]));
    for (let at = 0, died = true; died; at++) {
      const path = `digits/1.0.${at + 1}/manifest.json`;
      await ceremony.add(path, bytes(`${at}`));
      for (const role of ['root', 'timestamp'] as const) {
        const fresh = newSigner();
        const change = {
          add: [fresh.publicKey],
          remove: role === 'root' ? [] : ceremony.keys[role].map(({ keyId }) => keyId),
        };
        const draft = must(await ceremony.repository.draft());
        must(
          await ceremony.repository.stage(must(rotateKeys(draft, role, change, ceremony.nowMs()))),
        );
        ceremony.keys[role] = role === 'root' ? [...ceremony.keys.root, fresh] : [fresh];
        if (role === 'timestamp') ceremony.online.push(fresh);
      }
      await ceremony.publish([...ceremony.keys.root, ...ceremony.keys.targets]);
      const source = sourceOf(await mirrorOf(ceremony));
      let left = at;
      const dead = {
        ok: false as const,
        error: { code: 'storage_failed' as const, message: 'dead', retryable: true },
      };
      const dying = device.open((files) => ({
        ...files,
        save: async (name, content) => (left-- > 0 ? files.save(name, content) : dead),
        saveState: async (state) => (left-- > 0 ? files.saveState(state) : dead),
      }));
      died = !(await dying.refresh(source, [path])).ok;
      expect(at < 5, 'root, timestamp, snapshot, targets, state').toBe(died);
      must(await device.open().refresh(source, [path]));
      expect((await device.open().target(path)).ok).toBe(true);
    }
  });

  it('[TUF20] a source that fails at any file leaves what was accepted', async () => {
    const mirror = await mirrorOf(ceremony);
    must(await device.open().refresh(sourceOf(mirror), [v1]));
    await ceremony.add('digits/2.0.0/manifest.json', bytes('two'));
    await ceremony.publish(ceremony.keys.targets);
    const next = await mirrorOf(ceremony);
    for (const name of ['timestamp.json', '3.snapshot.json', '3.targets.json']) {
      const without = new Map([...next].filter(([each]) => each !== name));
      const honest = sourceOf(without);
      const failing = {
        read: async (file: string, max: number) =>
          file === name
            ? {
                ok: false as const,
                error: { code: 'unavailable' as const, message: 'cut', retryable: true },
              }
            : honest.read(file, max),
      };
      expect(await device.open().refresh(failing), name).toMatchObject(refused('unavailable'));
    }
    must(await device.open().refresh(sourceOf(next), ['digits/2.0.0/manifest.json']));
    expect((await device.open().target('digits/2.0.0/manifest.json')).ok).toBe(true);
  });

  it('[TUF20] a mirror that lacks a file is a source that fails, not an attack', async () => {
    for (const name of ['timestamp.json', '2.snapshot.json', '2.targets.json']) {
      const mirror = await mirrorOf(ceremony);
      mirror.delete(name);
      const refreshed = await device.open().refresh(sourceOf(mirror), [v1]);
      expect(refreshed, name).toMatchObject(refused('unavailable'));
    }
    expect((await device.open().refresh(sourceOf(await mirrorOf(ceremony)), [v1])).ok).toBe(true);
  });

  it('[TUF20] the root that ships with the device replaces an older one on its disk', async () => {
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony))));
    const fresh = ceremony.keys.root.map(newSigner);
    const change = {
      add: fresh.map(({ publicKey }) => publicKey),
      remove: ceremony.keys.root.map(({ keyId }) => keyId),
    };
    const draft = must(await ceremony.repository.draft());
    must(
      await ceremony.repository.stage(must(rotateKeys(draft, 'root', change, ceremony.nowMs()))),
    );
    await ceremony.publish([...ceremony.keys.root, ...fresh]);
    const shipped = createTrustingDevice(must(await ceremony.repository.file('2.root.json')));
    const mirror = await mirrorOf(ceremony);
    mirror.delete('2.root.json');
    must(await shipped.open().refresh(sourceOf(mirror)));
    shipped.close();
  });
});

describe('what runs', () => {
  it('[TUF21] is believed without network and expiry, and after its keys are gone', async () => {
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony)), [v1]));
    const { evidence, digest } = must(await device.open().target(v1));
    const fresh = ceremony.keys.root.map(newSigner);
    const change = {
      add: fresh.map(({ publicKey }) => publicKey),
      remove: ceremony.keys.root.map(({ keyId }) => keyId),
    };
    const draft = must(await ceremony.repository.draft());
    must(
      await ceremony.repository.stage(must(rotateKeys(draft, 'root', change, ceremony.nowMs()))),
    );
    await ceremony.publish([...ceremony.keys.root, ...fresh]);
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony))));
    device.setClock(ceremony.nowMs() + 3_000 * dayMs);
    expect(await device.open().target(v1)).toMatchObject(refused('expired'));
    expect(must(await device.open().verifyEvidence(evidence, v1)).digest).toBe(digest);
    const later = must(await device.open().evidence(v1));
    expect(must(await device.open().verifyEvidence(later, v1)).digest).toBe(digest);
  });

  it('[TUF21] evidence that was changed, or that begins at a stranger’s root, is refused', async () => {
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony)), [v1]));
    const { evidence } = must(await device.open().target(v1));
    const changed = {
      ...evidence,
      'targets.json': evidence['targets.json']?.replace(/[0-9a-f]{64}/, '0'.repeat(64)) ?? '',
    };
    expect(await device.open().verifyEvidence(changed, v1)).toMatchObject(refused('untrusted'));
    const stranger = await holdCeremony();
    await stranger.add(v1, bytes('evil'));
    await stranger.publish(stranger.keys.targets);
    const other = createTrustingDevice(must(await stranger.repository.file('1.root.json')));
    must(await other.open().refresh(sourceOf(await mirrorOf(stranger)), [v1]));
    const foreign = must(await other.open().target(v1)).evidence;
    expect(await device.open().verifyEvidence(foreign, v1)).toMatchObject(refused('untrusted'));
    other.close();
    stranger.close();
  });
});

describe('a trust folder that is lost', () => {
  const rotateRoot = async (of = ceremony): Promise<void> => {
    const before = of.keys.root;
    const fresh = before.map(newSigner);
    const change = {
      add: fresh.map(({ publicKey }) => publicKey),
      remove: before.map(({ keyId }) => keyId),
    };
    const draft = must(await of.repository.draft());
    must(await of.repository.stage(must(rotateKeys(draft, 'root', change, of.nowMs()))));
    await of.publish([...before, ...fresh]);
    of.keys.root = fresh;
  };
  const lose = () => rmSync(join(device.folder, 'trust'), { recursive: true });
  const refresh = async () =>
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony)), [v1]));

  it('[TUF25] takes nothing from evidence, which brings the roots that lead to its own', async () => {
    await rotateRoot();
    await rotateRoot();
    await refresh();
    const { digest } = must(await device.open().target(v1));
    const evidence = must(await device.open().evidence(v1));
    lose();
    expect(must(await device.open().verifyEvidence(evidence, v1)).digest).toBe(digest);
    const roots = JSON.parse(evidence['roots'] ?? '') as string[];
    expect(roots).toHaveLength(2);
    const { roots: _, ...bare } = evidence;
    const forged = roots.map((text) => text.replace(/"expires":"2/, '"expires":"3'));
    for (const wrong of [roots.slice(1), roots.slice(0, 1), [...roots].reverse(), forged, {}])
      expect(
        await device.open().verifyEvidence({ ...bare, roots: JSON.stringify(wrong) }, v1),
      ).toMatchObject(refused('untrusted'));
    expect(await device.open().verifyEvidence(bare, v1)).toMatchObject(refused('untrusted'));
    // By the keys before it alone, and not by its own.
    const second = JSON.parse(roots[0] ?? '') as SignedRoot;
    const own = second.signed.roles.root.keyids;
    const signatures = second.signatures.filter(({ keyid }) => !own.includes(keyid));
    const led = JSON.stringify([JSON.stringify({ ...second, signatures }), roots[1]]);
    expect(await device.open().verifyEvidence({ ...bare, roots: led }, v1)).toMatchObject(
      refused('untrusted'),
    );
  });

  it('[TUF25] has the roots again from any source, and then believes what one of them signed', async () => {
    await rotateRoot();
    await refresh();
    const { evidence, digest } = must(await device.open().target(v1));
    lose();
    await rotateRoot();
    expect(await device.open().verifyEvidence(evidence, v1)).toMatchObject(refused('untrusted'));
    await refresh();
    expect(must(await device.open().verifyEvidence(evidence, v1)).digest).toBe(digest);
    // From then on it stands beside the bundle, however often the folder is lost.
    const completed = must(await device.open().evidence(v1, evidence));
    lose();
    expect(must(await device.open().verifyEvidence(completed, v1)).digest).toBe(digest);
  });

  it('[TUF25] takes nothing from evidence of the root that ships with the device, however far roots have gone since', async () => {
    await refresh();
    const { evidence, digest } = must(await device.open().target(v1));
    lose();
    await rotateRoot();
    await refresh();
    expect(must(await device.open().verifyEvidence(evidence, v1)).digest).toBe(digest);
  });

  it('[TUF25] is led by evidence also where a newer program ships with a later root', async () => {
    for (let i = 0; i < 2; i++) await rotateRoot();
    await refresh();
    const evidence = must(await device.open().evidence(v1));
    const newer = createTrustingDevice(must(await ceremony.repository.file('2.root.json')));
    must(await newer.open().verifyEvidence(evidence, v1));
    newer.close();
  });

  it('[TUF25] keeps no roots that are not those asked for, or that a source has blown up beyond what a slot may hold', async () => {
    for (let i = 0; i < 3; i++) await rotateRoot();
    const source = sourceOf(await mirrorOf(ceremony));
    /** Spaces behind what is signed change nothing of it. */
    const blown = {
      async read(...of: Parameters<typeof source.read>) {
        const read = await source.read(...of);
        return read.ok && /^\d+\.root\.json$/.test(of[0])
          ? { ...read, value: Buffer.concat([read.value, Buffer.alloc(120_000, ' ')]) }
          : read;
      },
    };
    must(await device.open().refresh(blown, [v1]));
    expect(Object.keys(must(await device.open().evidence(v1)))).not.toContain('roots');
    const lying = {
      read: (name: string, max: number) =>
        source.read(name === '2.root.json' ? '3.root.json' : name, max),
    };
    must(await device.open().refresh(lying, [v1]));
    expect(Object.keys(must(await device.open().evidence(v1)))).not.toContain('roots');
    await refresh();
    expect(Object.keys(must(await device.open().evidence(v1)))).toContain('roots');
  });

  it('[TUF25] begins at no root that the device does not ship with', async () => {
    const stranger = await holdCeremony();
    await stranger.add(v1, bytes('evil'));
    await stranger.publish(stranger.keys.targets);
    const other = createTrustingDevice(must(await stranger.repository.file('1.root.json')));
    for (const version of [1, 2]) {
      // The second has the number that would be next, and its own signatures.
      if (version === 2) await rotateRoot(stranger);
      must(await other.open().refresh(sourceOf(await mirrorOf(stranger)), [v1]));
      const foreign = must(await other.open().evidence(v1));
      const roots = JSON.stringify([foreign['root.json']]);
      expect(await device.open().verifyEvidence({ ...foreign, roots }, v1)).toMatchObject(
        refused('untrusted'),
      );
    }
    other.close();
    stranger.close();
  });
});

describe('an assignment', () => {
  const type = 'application/vnd.skerry.assignment+json';
  const payload = bytes('{"model":"digits"}');

  it('[TUF22] is believed from the director that the root names, until the root names another', async () => {
    const [director] = ceremony.keys.director;
    if (director === undefined) throw new Error('no director');
    const envelope = must(await directorWith(director).signAssignment(payload));
    const another = must(await signEnvelope(director, 'text/plain', payload));
    const forged = must(await signEnvelope(newSigner(), type, payload));
    const others = must(await signEnvelope(ceremony.keys.targets[0] ?? director, type, payload));
    expect(await device.open().verifyAssignment(envelope)).toEqual({
      ok: true,
      value: payload,
    });
    for (const wrong of [forged, another, others, { ...envelope, payload: 'e30=' }, null])
      expect((await device.open().verifyAssignment(wrong)).ok).toBe(false);
    const change = { add: [newSigner().publicKey], remove: [director.keyId] };
    const draft = must(await ceremony.repository.draft());
    must(
      await ceremony.repository.stage(
        must(rotateKeys(draft, 'director', change, ceremony.nowMs())),
      ),
    );
    await ceremony.publish(ceremony.keys.root);
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony))));
    expect(await device.open().verifyAssignment(envelope)).toMatchObject(refused('untrusted'));
  });
});

describe('an assignment', () => {
  it('[TUF22] is signed by as many of the director’s keys as the root asks for, or not at all', async () => {
    const second = newSigner();
    const change = { add: [second.publicKey], remove: [], threshold: 2 };
    const draft = must(await ceremony.repository.draft());
    must(
      await ceremony.repository.stage(
        must(rotateKeys(draft, 'director', change, ceremony.nowMs())),
      ),
    );
    await ceremony.publish(ceremony.keys.root);
    must(await device.open().refresh(sourceOf(await mirrorOf(ceremony))));
    const [first] = ceremony.keys.director as [Signer];
    const payload = bytes('{}');
    expect(await directorWith(first).signAssignment(payload)).toMatchObject(refused('unavailable'));
    const envelope = must(await directorWith(first, newSigner(), second).signAssignment(payload));
    expect((await device.open().verifyAssignment(envelope)).ok).toBe(true);
    const sent = must(await directorWith(first, second).sign({ counter: 7 } as never));
    const received = await device
      .open()
      .verifyAssignment(JSON.parse(new TextDecoder().decode(sent)));
    expect(JSON.parse(new TextDecoder().decode(must(received)))).toEqual({ counter: 7 });
    const half = { ...envelope, signatures: envelope.signatures.slice(1) };
    expect(await device.open().verifyAssignment(half)).toMatchObject(refused('untrusted'));
  });
});

describe('a source', () => {
  it('[TUF21] that never answers keeps nobody else waiting', async () => {
    const client = device.open();
    must(await client.refresh(sourceOf(await mirrorOf(ceremony)), [v1]));
    const { evidence } = must(await client.target(v1));
    let release = (): void => {};
    const silence = new Promise<void>((resolve) => {
      release = resolve;
    });
    const honest = sourceOf(await mirrorOf(ceremony));
    const silent = {
      read: async (name: string, max: number) => {
        await silence;
        return honest.read(name, max);
      },
    };
    const hanging = client.refresh(silent);
    expect((await client.verifyEvidence(evidence, v1)).ok).toBe(true);
    expect((await client.target(v1)).ok).toBe(true);
    release();
    expect((await hanging).ok).toBe(true);
  });
});

/** Two teams delegate to one role; only the first names the keys that have signed it. */
it('[TUF23] a role is believed by whoever delegates to it on the way to this target', async () => {
  const mirror = await mirrorOf(ceremony);
  const [a, b, c] = [newSigner(), newSigner(), newSigner()];
  const role = (name: string, signer: typeof a, paths: string[]) => ({
    name,
    keyids: [signer.keyId],
    threshold: 1,
    terminating: false,
    paths,
  });
  const delegations = (...roles: [ReturnType<typeof role>, typeof a][]) => ({
    keys: Object.fromEntries(roles.map(([, { keyId, publicKey }]) => [keyId, publicKey])),
    roles: roles.map(([each]) => each),
  });
  const entry = (model: string) => ({
    [`${model}/1.0.0/manifest.json`]: {
      length: 1,
      hashes: { sha256: createHash('sha256').update(model).digest('hex') },
      custom: { model, version: '1.0.0', releaseCounter: 0 },
    },
  });
  const put = (name: string, change: object, signers: (typeof a)[]) => {
    if (!mirror.has(name)) mirror.set(name, mirror.get('2.targets.json') as Uint8Array);
    return forge<never>(
      mirror,
      name,
      (signed: object) => ({ ...signed, version: 9, targets: {}, ...change }) as never,
      signers,
    );
  };
  const wrong = newSigner();
  await put(
    '9.targets.json',
    { delegations: delegations([role('a', a, ['x/*/*']), a], [role('b', b, ['y/*/*']), b]) },
    ceremony.keys.targets,
  );
  await put('9.a.json', { delegations: delegations([role('c', c, ['*/*/*']), c]) }, [a]);
  await put('9.b.json', { delegations: delegations([role('c', wrong, ['*/*/*']), wrong]) }, [b]);
  await put('9.c.json', { targets: { ...entry('x'), ...entry('y') } }, [c]);
  const meta = Object.fromEntries(
    ['targets', 'a', 'b', 'c'].map((each) => [`${each}.json`, { version: 9 }]),
  );
  mirror.set('9.snapshot.json', mirror.get('2.snapshot.json') as Uint8Array);
  await forge<never>(
    mirror,
    '9.snapshot.json',
    (signed: object) => ({ ...signed, version: 9, meta }) as never,
    ceremony.keys.snapshot,
  );
  await forge<never>(
    mirror,
    'timestamp.json',
    (signed: object) =>
      ({ ...signed, version: 9, meta: { 'snapshot.json': { version: 9 } } }) as never,
    ceremony.keys.timestamp,
  );
  // tuf-js alone takes both: on the second walk the role is there already, and it looks no further.
  expect(
    await device
      .open()
      .refresh(sourceOf(mirror), ['x/1.0.0/manifest.json', 'y/1.0.0/manifest.json']),
  ).toEqual({ ok: true, value: undefined });
  expect((await device.open().target('x/1.0.0/manifest.json')).ok).toBe(true);
  expect(await device.open().target('y/1.0.0/manifest.json')).toMatchObject(refused('untrusted'));
});

describe('a collection’s snapshot', () => {
  const path = (sequence: number) => `collections/manuals/${sequence}.json`;
  const custom = (sequence: number, collection = 'manuals') =>
    ({ collection, sequence, root: `sha256:${'0'.repeat(64)}` }) as Record<string, string | number>;
  const publish = async (
    ...targets: readonly (readonly [string, Record<string, string | number>])[]
  ) => {
    for (const [at, what] of targets) await ceremony.add(at, bytes(at), what);
    await ceremony.publish(ceremony.keys.targets);
    const client = device.open();
    for (const [at] of targets)
      must(await client.refresh(sourceOf(await mirrorOf(ceremony)), [at]));
    return client;
  };

  it('[TRV7] is signed at its own path alone, is no bundle, and is verified by its evidence for ever', async () => {
    const client = await publish(
      [path(1), custom(1)],
      [path(2), custom(1)],
      [path(3), custom(3, 'wages')],
    );
    const found = must(await client.snapshot(path(1)));
    expect(found.custom).toEqual(custom(1));
    for (const wrong of [path(2), path(3), v1])
      expect(await client.snapshot(wrong)).toMatchObject(refused('untrusted'));
    expect(await client.target(path(1))).toMatchObject(refused('untrusted'));
    expect(await client.snapshot(path(9))).toMatchObject(refused('not_found'));
    expect(must(await client.verifySnapshot(found.evidence, path(1)))).toEqual(found);
    const forged = { ...found.evidence, 'root.json': '{}' };
    expect(await client.verifySnapshot(forged, path(1))).toMatchObject(refused('untrusted'));
  });

  it('[TRV7] below one that was taken here is refused, also after a restart; another collection’s is not', async () => {
    const other = 'collections/wages/1.json';
    const client = await publish(
      [path(1), custom(1)],
      [path(2), custom(2)],
      [other, custom(1, 'wages')],
    );
    must(await client.snapshotTaken('manuals', 2));
    must(await client.snapshotTaken('manuals', 1));
    expect(await device.open().snapshot(path(1))).toMatchObject(refused('untrusted'));
    expect((await device.open().snapshot(path(2))).ok).toBe(true);
    expect((await device.open().snapshot(other)).ok).toBe(true);
  });
});
