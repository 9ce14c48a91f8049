// The attacks that TUF is made against (TUF specification §1.5.2), each by a mirror that the attacker holds, against the
// repository and the client as they ship. After each one an honest mirror must serve again.

import { delegate, removeTarget, rotateKeys, undelegate } from '@skerry/cloud-coordinator/trust';
import type { Result } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  forge,
  holdCeremony,
  type KeyCeremony,
  type Mirror,
  mirrorOf,
  must,
  newSigner,
  sourceOf,
  type TopRole,
} from './key-ceremony.ts';
import { createTrustingDevice, type TrustingDevice } from './trusting-device.ts';

const dayMs = 86_400_000;
const v1 = 'digits/1.0.0/manifest.json';
const v2 = 'digits/2.0.0/manifest.json';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const codeOf = (result: Result<unknown>): string => (result.ok ? 'ok' : result.error.code);
/** Any metadata as JSON: what an attacker changes has no type. */
type Any = Record<string, never> & { version: number; expires: string };

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

const refresh = async (mirror: Mirror, ...paths: string[]): Promise<string> =>
  codeOf(await device.open().refresh(sourceOf(mirror), paths));
const target = async (path: string) => codeOf(await device.open().target(path));
const honest = async (): Promise<Mirror> => mirrorOf(ceremony);

async function publishV2(): Promise<void> {
  await ceremony.add(v2, bytes('two'));
  await ceremony.publish(ceremony.keys.targets);
}

/** Replaces all keys of a role, and publishes. */
async function replaceKeys(role: TopRole): Promise<readonly Signer[]> {
  const old = ceremony.keys[role];
  const fresh = old.map(newSigner);
  const change = {
    add: fresh.map(({ publicKey }) => publicKey),
    remove: old.map(({ keyId }) => keyId),
  };
  const draft = must(await ceremony.repository.draft());
  must(await ceremony.repository.stage(must(rotateKeys(draft, role, change, ceremony.nowMs()))));
  ceremony.keys[role] = fresh;
  ceremony.online.push(...fresh);
  await ceremony.publish([...ceremony.keys.root, ...ceremony.keys.targets]);
  return old;
}

describe('rollback', () => {
  it('[TUF11] an older repository, whole and well signed, is refused', async () => {
    const old = await honest();
    await publishV2();
    expect(await refresh(await honest())).toBe('ok');
    expect(await refresh(old)).toBe('untrusted');
    expect(await target(v2)).toBe('ok');
    expect(await refresh(await honest())).toBe('ok');
  });

  it('[TUF11] an older snapshot under a newer timestamp is refused', async () => {
    const old = await honest();
    await publishV2();
    const mirror = await honest();
    expect(await refresh(mirror)).toBe('ok');
    const { signed } = JSON.parse(Buffer.from(old.get('timestamp.json') ?? '').toString());
    const forged: Mirror = new Map([...mirror, ...old]);
    await forge<never>(
      forged,
      'timestamp.json',
      () => ({ ...signed, version: signed.version + 9 }) as never,
      ceremony.keys.timestamp,
    );
    expect(await refresh(forged)).toBe('untrusted');
    await ceremony.add('digits/3.0.0/manifest.json', bytes('three'));
    await ceremony.publish(ceremony.keys.targets);
    expect(await refresh(await honest())).toBe('ok');
  });
});

describe('indefinite freeze', () => {
  it('[TUF12] the newest that a device has seen stops serving when it expires', async () => {
    const frozen = await honest();
    expect(await refresh(frozen)).toBe('ok');
    device.setClock(ceremony.nowMs() + 2 * dayMs);
    expect(await refresh(frozen)).toBe('expired');
    expect(await target(v1)).toBe('expired');
    ceremony.pass(2 * dayMs);
    must(await ceremony.repository.refresh());
    expect(await refresh(await honest())).toBe('ok');
    expect(await target(v1)).toBe('ok');
  });

  it('[TUF12] a clock that starts in 1970 makes nothing good again', async () => {
    const frozen = await honest();
    ceremony.pass(3 * dayMs);
    must(await ceremony.repository.refresh());
    const current = await honest();
    device.setClock(0);
    expect(await refresh(current)).toBe('ok'); // It says when it was signed: the floor.
    const other = createTrustingDevice(must(await ceremony.repository.file('1.root.json')));
    other.setClock(0);
    expect(codeOf(await other.open().attest(ceremony.nowMs()))).toBe('ok');
    expect(codeOf(await other.open().refresh(sourceOf(frozen)))).toBe('expired');
    expect(codeOf(await other.open().refresh(sourceOf(current)))).toBe('ok');
    other.close();
  });

  it('[TUF12] the time of release is a floor, and the floor outlives restarts', async () => {
    const root = must(await ceremony.repository.file('1.root.json'));
    const newer = createTrustingDevice(root, ceremony.nowMs() + 2 * dayMs);
    newer.setClock(0);
    expect(codeOf(await newer.open().refresh(sourceOf(await honest())))).toBe('expired');
    newer.close();
    device.setClock(0);
    expect(await refresh(await honest())).toBe('ok');
    const floor = must(await device.open().nowMs());
    expect(Math.abs(floor - ceremony.nowMs())).toBeLessThan(60_000);
    expect(codeOf(await device.open().attest(1))).toBe('ok');
    expect(must(await device.open().nowMs())).toBe(floor);
  });

  it('[TUF12] a time that a thief signed is forgotten with the key', async () => {
    const mirror = await honest();
    const farMs = ceremony.nowMs() + 50 * 365 * dayMs;
    const at = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
    const late = { expires: at(farMs + dayMs), 'x-skerry-signed-at': at(farMs), version: 99 };
    const stolen = ceremony.keys.timestamp;
    await forge<never>(
      mirror,
      'timestamp.json',
      (signed: object) => ({ ...signed, ...late }) as never,
      stolen,
    );
    expect(await refresh(mirror)).toBe('expired');
    await replaceKeys('timestamp');
    expect(await refresh(await honest())).toBe('ok');
  });
});

it('[TUF12] a time that a thief of the director’s key has said is forgotten with the key', async () => {
  expect(await refresh(await honest())).toBe('ok');
  expect(codeOf(await device.open().attest(ceremony.nowMs() + 50 * 365 * dayMs))).toBe('ok');
  expect(await refresh(await honest(), v1)).toBe('expired');
  await replaceKeys('director');
  expect(await refresh(await honest(), v1)).toBe('ok');
  expect(await target(v1)).toBe('ok');
});

describe('mix and match', () => {
  it('[TUF13] targets of another publication are refused', async () => {
    const old = await honest();
    await publishV2();
    const mixed = await honest();
    mixed.set('3.targets.json', old.get('2.targets.json') as Uint8Array);
    expect(await refresh(mixed)).toBe('untrusted');
    expect(await refresh(await honest())).toBe('ok');
  });

  it('[TUF13] a snapshot of another publication is refused', async () => {
    const old = await honest();
    await publishV2();
    const mixed = await honest();
    const [name] = [...mixed.keys()].filter((each) => each.endsWith('snapshot.json'));
    const [before] = [...old.keys()].filter((each) => each.endsWith('snapshot.json'));
    mixed.set(name as string, old.get(before as string) as Uint8Array);
    expect(await refresh(mixed)).toBe('untrusted');
    expect(await refresh(await honest())).toBe('ok');
  });
});

it('[TUF14] fast-forward: versions a thief has pushed to the end are forgotten with the keys', async () => {
  const mirror = await honest();
  const snapshotName = [...mirror.keys()].find((name) => name.endsWith('snapshot.json')) as string;
  const end = 2 ** 31 - 1;
  const meta = { 'targets.json': { version: end } };
  await forge<never>(
    mirror,
    snapshotName,
    (signed: object) => ({ ...signed, version: end, meta }) as never,
    ceremony.keys.snapshot,
  );
  mirror.set(`${end}.snapshot.json`, mirror.get(snapshotName) as Uint8Array);
  await forge<never>(
    mirror,
    'timestamp.json',
    (signed: object) =>
      ({ ...signed, version: end, meta: { 'snapshot.json': { version: end } } }) as never,
    ceremony.keys.timestamp,
  );
  expect(await refresh(mirror)).toBe('unavailable'); // The targets that it promises are nowhere.
  await publishV2();
  expect(await refresh(await honest())).toBe('untrusted'); // Stuck behind the thief's versions.
  await replaceKeys('timestamp');
  await replaceKeys('snapshot');
  expect(await refresh(await honest())).toBe('ok');
  expect(await target(v2)).toBe('ok');
});

describe('endless data', () => {
  it.each(['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json'])(
    '[TUF15] %s that never ends is cut off',
    async (name) => {
      const mirror = await honest();
      mirror.set(name, new Uint8Array(6_000_000).fill(32));
      expect(await refresh(mirror)).toBe('too_large');
      expect(await refresh(await honest())).toBe('ok');
    },
  );
});

describe('arbitrary install', () => {
  const evil = (path: string) => ({ [path]: { length: 4, hashes: { sha256: 'e'.repeat(64) } } });
  /** Targets that name other bytes, with a snapshot and a timestamp for them: the online keys are stolen. */
  async function forgeTargets(signers: readonly Signer[]): Promise<Mirror> {
    const mirror = await honest();
    const version = 9;
    mirror.set('9.targets.json', mirror.get('2.targets.json') as Uint8Array);
    mirror.set('9.snapshot.json', mirror.get('2.snapshot.json') as Uint8Array);
    const change = (more: object) => (signed: object) => ({ ...signed, version, ...more }) as never;
    await forge<never>(mirror, '9.targets.json', change({ targets: evil(v1) }), signers);
    const meta = { 'targets.json': { version } };
    await forge<never>(mirror, '9.snapshot.json', change({ meta }), ceremony.keys.snapshot);
    const top = { 'snapshot.json': { version } };
    await forge<never>(mirror, 'timestamp.json', change({ meta: top }), ceremony.keys.timestamp);
    return mirror;
  }

  it('[TUF16] by the keys that the role has, all online keys stolen: it would be installed', async () => {
    expect(await refresh(await forgeTargets(ceremony.keys.targets))).toBe('ok');
  });

  it('[TUF16] by strangers, by one of two, by one twice: it is refused', async () => {
    const [one] = ceremony.keys.targets as [Signer];
    for (const signers of [[newSigner(), newSigner()], [one], [one, one], ceremony.keys.root])
      expect(await refresh(await forgeTargets(signers))).toBe('untrusted');
    expect(await target(v1)).not.toBe('ok');
  });

  it('[TUF16] one byte changed in any signed file: it is refused', async () => {
    for (const name of ['timestamp.json', '2.snapshot.json', '2.targets.json']) {
      const mirror = await honest();
      const text = new TextDecoder()
        .decode(mirror.get(name))
        .replace(/"version":(\d)/, '"version":7');
      mirror.set(name, bytes(text));
      expect(await refresh(mirror), name).toBe('untrusted');
    }
    expect(await refresh(await honest())).toBe('ok');
  });

  it('[TUF16] a root that the root before it has not signed is refused', async () => {
    const mirror = await honest();
    const thieves = [newSigner(), newSigner()];
    const keyids = thieves.map(({ keyId }) => keyId);
    const keys = Object.fromEntries(thieves.map((each) => [each.keyId, each.publicKey]));
    mirror.set('2.root.json', mirror.get('1.root.json') as Uint8Array);
    await forge<never>(
      mirror,
      '2.root.json',
      (signed: { keys: object; roles: object }) =>
        ({
          ...signed,
          version: 2,
          keys: { ...signed.keys, ...keys },
          roles: { ...signed.roles, root: { keyids, threshold: 2 } },
        }) as never,
      thieves,
    );
    expect(await refresh(mirror)).toBe('untrusted');
    expect(await refresh(await honest())).toBe('ok');
  });
});

describe('wrong software', () => {
  it('[TUF17] a bundle’s path that the metadata gives to another model is refused', async () => {
    const custom = { model: 'digits', version: '1.0.0', releaseCounter: 1 };
    await ceremony.add('faces/1.0.0/manifest.json', bytes('other'), custom);
    await ceremony.add('digits/1.0.0/manifest.json', bytes('one'), custom);
    await ceremony.publish(ceremony.keys.targets);
    expect(await refresh(await honest())).toBe('ok');
    expect(await target('digits/1.0.0/manifest.json')).toBe('ok');
    expect(await target('faces/1.0.0/manifest.json')).toBe('untrusted');
  });

  it('[TUF17] a team that signs for another team’s path is not asked', async () => {
    const [vision, speech] = [newSigner(), newSigner()];
    for (const [name, key] of [
      ['vision', vision],
      ['speech', speech],
    ] as const) {
      const rule = {
        name,
        keys: [key.publicKey],
        threshold: 1,
        paths: [`${name}-*/*/*`],
        terminating: true,
      };
      const draft = must(await ceremony.repository.draft());
      must(await ceremony.repository.stage(must(delegate(draft, rule, ceremony.nowMs()))));
    }
    await ceremony.publish([...ceremony.keys.targets, vision, speech]);
    const mirror = await honest();
    const stolen = {
      'speech-en/1.0.0/manifest.json': { length: 4, hashes: { sha256: 'e'.repeat(64) } },
    };
    const change = (more: object) => (signed: object) =>
      ({ ...signed, version: 2, ...more }) as never;
    mirror.set('2.vision.json', mirror.get('1.vision.json') as Uint8Array);
    await forge<never>(mirror, '2.vision.json', change({ targets: stolen }), [vision]);
    const at = [...mirror.keys()].find((name) => name.endsWith('snapshot.json')) as string;
    await forge<{ meta: object; version: number } & never>(
      mirror,
      at,
      (signed: { meta: object; version: number }) =>
        ({
          ...signed,
          version: 9,
          meta: { ...signed.meta, 'vision.json': { version: 2 } },
        }) as never,
      ceremony.keys.snapshot,
    );
    mirror.set('9.snapshot.json', mirror.get(at) as Uint8Array);
    await forge<never>(
      mirror,
      'timestamp.json',
      (signed: object) =>
        ({ ...signed, version: 9, meta: { 'snapshot.json': { version: 9 } } }) as never,
      ceremony.keys.timestamp,
    );
    const path = 'speech-en/1.0.0/manifest.json';
    expect(await refresh(mirror, path)).toBe('ok');
    expect(await target(path)).toBe('not_found');
  });
});

it('[TUF24] downgrade: a thief of the director’s key cannot go back behind a least release', async () => {
  const release = (version: string, releaseCounter: number) => ({
    model: 'digits',
    version,
    releaseCounter,
  });
  await ceremony.add(v2, bytes('two'), release('2.0.0', 1));
  await ceremony.add('faces/1.0.0/manifest.json', bytes('other'));
  await ceremony.publish(ceremony.keys.targets);
  expect(await refresh(await honest(), v1, v2)).toBe('ok');
  expect(await target(v2)).toBe('ok'); // v1 has 1 too.
  expect(await target(v1)).toBe('ok');
  const { evidence } = must(await device.open().target(v1));
  await ceremony.add(v2, bytes('two'), release('2.0.0', 2));
  await ceremony.publish(ceremony.keys.targets);
  expect(await refresh(await honest(), v1, v2)).toBe('ok');
  expect(await target(v2)).toBe('ok');
  expect(await target('faces/1.0.0/manifest.json')).toBe('ok');
  expect(await target(v1)).toBe('untrusted');
  expect(codeOf(await device.open().verifyEvidence(evidence, v1))).toBe('ok');
});

it('[TUF24] downgrade: nor behind one that was confirmed here, once the least is signed no longer', async () => {
  const release = { model: 'digits', version: '2.0.0', releaseCounter: 2 };
  await ceremony.add(v2, bytes('two'), release);
  await ceremony.publish(ceremony.keys.targets);
  expect(await refresh(await honest(), v1, v2)).toBe('ok');
  const { digest } = must(await device.open().target(v2));
  // Of what the path does not stand for nothing is learned.
  must(await device.open().confirmed(v2, `sha256:${'0'.repeat(64)}`));
  must(await device.open().confirmed('faces/1.0.0/manifest.json', digest));
  const withdraw = async () => {
    const draft = must(await ceremony.repository.draft());
    must(
      await ceremony.repository.stage(must(removeTarget(draft, 'targets', v2, ceremony.nowMs()))),
    );
    await ceremony.publish(ceremony.keys.targets);
    expect(await refresh(await honest(), v1)).toBe('ok');
  };
  must(await device.open().confirmed(v2, digest));
  await withdraw();
  expect(await target(v2)).toBe('not_found');
  expect(await target(v1)).toBe('untrusted');
  // Whoever holds the offline keys may say that it is good after all.
  await ceremony.add(v1, bytes('one'), { model: 'digits', version: '1.0.0', releaseCounter: 2 });
  await ceremony.publish(ceremony.keys.targets);
  expect(await refresh(await honest(), v1)).toBe('ok');
  expect(await target(v1)).toBe('ok');
});

it('[TUF18] extraneous versions: what the mirror has beside the metadata is never looked at', async () => {
  const mirror = await honest();
  for (const name of ['99.targets.json', 'targets.json', 'evil.json', '99.snapshot.json'])
    mirror.set(name, bytes('{}'));
  const source = sourceOf(mirror);
  expect(codeOf(await device.open().refresh(source, [v1]))).toBe('ok');
  expect(source.asked).toEqual([
    '2.root.json',
    'timestamp.json',
    '2.snapshot.json',
    '2.targets.json',
  ]);
});

describe('key compromise and revocation', () => {
  it('[TUF19] what revoked targets keys sign is refused', async () => {
    expect(await refresh(await honest())).toBe('ok');
    const stolen = await replaceKeys('targets');
    expect(await refresh(await honest())).toBe('ok');
    const mirror = await honest();
    await forge<never>(mirror, '3.targets.json', (signed: object) => signed as never, stolen);
    const fresh = createTrustingDevice(must(await ceremony.repository.file('1.root.json')));
    expect(codeOf(await fresh.open().refresh(sourceOf(mirror)))).toBe('untrusted');
    expect(codeOf(await fresh.open().refresh(sourceOf(await honest())))).toBe('ok');
    fresh.close();
  });

  it('[TUF19] what a revoked timestamp key signs is refused', async () => {
    const stolen = await replaceKeys('timestamp');
    const mirror = await honest();
    await forge<never>(
      mirror,
      'timestamp.json',
      (signed: Any) => ({ ...signed, version: signed.version + 1 }) as never,
      stolen,
    );
    expect(await refresh(mirror)).toBe('untrusted');
    expect(await refresh(await honest())).toBe('ok');
  });

  it('[TUF19] a team whose word has ended is not asked', async () => {
    const team = newSigner();
    const path = 'vision-a/1.0.0/manifest.json';
    const rule = {
      name: 'vision',
      keys: [team.publicKey],
      threshold: 1,
      paths: ['vision-*/*/*'],
      terminating: true,
    };
    const draft = must(await ceremony.repository.draft());
    must(await ceremony.repository.stage(must(delegate(draft, rule, ceremony.nowMs()))));
    await ceremony.add(path, bytes('a'), undefined, 'vision');
    await ceremony.publish([...ceremony.keys.targets, team]);
    expect(await refresh(await honest(), path)).toBe('ok');
    expect(await target(path)).toBe('ok');
    const next = must(await ceremony.repository.draft());
    must(await ceremony.repository.stage(must(undelegate(next, 'vision', ceremony.nowMs()))));
    await ceremony.publish(ceremony.keys.targets);
    expect(await refresh(await honest(), path)).toBe('ok');
    expect(await target(path)).toBe('not_found');
  });
});
