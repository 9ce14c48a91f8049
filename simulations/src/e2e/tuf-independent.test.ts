// The repository's signatures by an implementation that neither of our sides has: Debian's python3-securesystemslib,
// which TUF's reference implementation is built on. Skipped where it is not installed.

import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { delegate, rotateKeys } from '@skerry/cloud-coordinator/trust';
import { createKeySigner } from '@skerry/shared/node';
import { expect, it } from 'vitest';
import { holdCeremony, must, newSigner } from '../trust/key-ceremony.ts';

const python = '/usr/bin/python3';
const isInstalled = spawnSync(python, ['-c', 'import securesystemslib.keys']).status === 0;

/** Prints how many signatures it has found good, role by role; dies at the first threshold that is not reached. */
const check = `
import hashlib, json, sys
from securesystemslib import formats, keys

texts = json.load(sys.stdin)["files"]
files = {name: json.loads(text) for name, text in texts.items()}

def good(metadata, known, role):
    data = formats.encode_canonical(metadata["signed"]).encode()
    by = {s["keyid"] for s in metadata["signatures"] if s["keyid"] in role["keyids"]
          and keys.verify_signature({**known[s["keyid"]], "keyid": s["keyid"]}, s, data)}
    assert len(by) >= role["threshold"], (role, by)
    return len(by)

def listed(meta, name):
    version, _, role = name.partition(".")
    data = texts[name].encode()
    assert meta[role]["version"] == int(version) == files[name]["signed"]["version"]
    assert meta[role]["length"] == len(data)
    assert meta[role]["hashes"]["sha256"] == hashlib.sha256(data).hexdigest()

counts = {}
roots = sorted((n for n in files if n.endswith(".root.json")), key=lambda n: int(n.split(".")[0]))
for before, name in zip([roots[0]] + roots, roots):
    for by in {before, name}:
        signed = files[by]["signed"]
        counts[name] = good(files[name], signed["keys"], signed["roles"]["root"])
root = files[roots[-1]]["signed"]
for role in ("timestamp", "snapshot", "targets"):
    name = next(n for n in files if n.endswith(role + ".json"))
    counts[role] = good(files[name], root["keys"], root["roles"][role])
    if role == "snapshot":
        listed(files["timestamp.json"]["signed"]["meta"], name)
    if role == "targets":
        snapshot = next(n for n in files if n.endswith("snapshot.json"))
        listed(files[snapshot]["signed"]["meta"], name)
        for team in files[name]["signed"]["delegations"]["roles"]:
            own = next(n for n in files if n.endswith("." + team["name"] + ".json"))
            listed(files[snapshot]["signed"]["meta"], own)
            counts[team["name"]] = good(files[own], files[name]["signed"]["delegations"]["keys"], team)
print(json.dumps(counts))
`;

it.skipIf(!isInstalled)(
  '[TUF1] every threshold is reached by python3-securesystemslib',
  async () => {
    const ceremony = await holdCeremony();
    const { repository, keys, nowMs } = ceremony;
    const p256 = must(
      createKeySigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    );
    const change = { add: [p256.publicKey], remove: [keys.root[0]?.keyId ?? ''] };
    const rotated = rotateKeys(must(await repository.draft()), 'root', change, nowMs());
    must(await repository.stage(must(rotated)));
    const team = [newSigner(), p256];
    const rule = {
      name: 'vision',
      keys: team.map(({ publicKey }) => publicKey),
      threshold: 2,
      paths: ['vision-*/*/*'],
      terminating: true,
    };
    must(await repository.stage(must(delegate(must(await repository.draft()), rule, nowMs()))));
    await ceremony.add('digits/1.0.0/manifest.json', new TextEncoder().encode('one'));
    await ceremony.publish([...keys.root, p256, ...keys.targets, ...team]);
    const input = must(await repository.pack());
    const { status, stdout, stderr } = spawnSync(python, ['-c', check], { input });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    expect(JSON.parse(stdout.toString())).toEqual({
      '1.root.json': 3,
      '2.root.json': 3,
      timestamp: 1,
      snapshot: 1,
      targets: 3,
      vision: 2,
    });
    ceremony.close();
  },
);
