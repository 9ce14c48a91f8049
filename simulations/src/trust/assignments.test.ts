// What the coordinator tells a device, as the device believes it.

import { createAssignmentSigner, signedBundles } from '@skerry/cloud-coordinator/trust';
import { err, failure, ok } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createVirtualClock,
  sampleAssignment,
} from '@skerry/sync-protocol/testing';
import { readAssignment } from '@skerry/sync-protocol/update';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holdCeremony, type KeyCeremony, must, sourceOf } from './key-ceremony.ts';
import { createTrustingDevice, type TrustingDevice } from './trusting-device.ts';

const path = 'digits/1.1.0/manifest.json';
const manifest = new TextEncoder().encode('{"name":"digits"}');
const bundle = { digest: sha256(manifest), bytes: manifest.length };

let ceremony: KeyCeremony;
let device: TrustingDevice;
const blobs = createMemoryBlobStore();

beforeEach(async () => {
  ceremony = await holdCeremony();
  await ceremony.add(path, manifest);
  await ceremony.publish(ceremony.keys.targets);
  device = createTrustingDevice(must(await ceremony.repository.file('1.root.json')));
});
afterEach(() => {
  device.close();
  ceremony.close();
});

const signerWith = (signers: KeyCeremony['online']) =>
  createAssignmentSigner({
    repository: ceremony.repository,
    signers,
    clock: createVirtualClock(),
    blobs,
    references: createMemoryBlobReferences(),
  });

describe('an assignment', () => {
  it('[DIR1] is signed by the director of the root, and carries the metadata that a device without HTTP needs', async () => {
    const assignment = sampleAssignment();
    const envelope = must(await signerWith(ceremony.keys.director).sign(assignment));
    const client = device.open();
    const json = JSON.parse(new TextDecoder().decode(envelope));
    const read = must(readAssignment(must(await client.verifyAssignment(json))));
    expect({ ...read, metadata: undefined }).toEqual({ ...assignment, metadata: undefined });
    const { digest, bytes } = read.metadata ?? { digest: '', bytes: 0 };
    const pack = JSON.parse(new TextDecoder().decode(must(await blobs.read(digest, 0, bytes))));
    const files = Object.entries<string>(pack.files).map(
      ([name, text]) => [name, new TextEncoder().encode(text)] as const,
    );
    must(await client.refresh(sourceOf(new Map(files)), [path]));
    expect(must(await client.target(path)).digest).toBe(bundle.digest);
  });

  it('[DIR1] is signed by nobody where the director’s key is not here', async () => {
    expect(await signerWith(ceremony.online).sign(sampleAssignment())).toMatchObject({
      error: { code: 'unavailable' },
    });
  });
});

describe('bundles that may be rolled out', () => {
  const held = { version: '1.1.0', target: path, bundle };
  const resolve = (found: typeof held, repository = ceremony.repository) =>
    signedBundles(
      { resolve: async () => ok(found), byDigest: async () => ok(undefined) },
      repository,
    ).resolve('digits', found.version);

  it('[DIR2] are those that offline keys have signed, with these bytes', async () => {
    expect(await resolve(held)).toEqual(ok(held));
    const unsigned = { ...held, target: 'digits/9.9.9/manifest.json' };
    expect(await resolve(unsigned)).toMatchObject({ error: { code: 'invalid_argument' } });
    const other = { ...held, bundle: { ...bundle, digest: sha256(new Uint8Array()) } };
    expect(await resolve(other)).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it('[DIR2] are none before the first ceremony, nor what the registry does not have', async () => {
    const nothing = { ...ceremony.repository, published: async () => ok(undefined) };
    expect(await resolve(held, nothing)).toMatchObject({ error: { code: 'invalid_argument' } });
    const missing = signedBundles(
      {
        resolve: async () => err(failure('model_not_found', 'no such version')),
        byDigest: async () => ok(undefined),
      },
      ceremony.repository,
    );
    expect(await missing.resolve('digits', '7')).toMatchObject({
      error: { code: 'model_not_found' },
    });
  });
});
