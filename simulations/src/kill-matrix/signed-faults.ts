// What can be wrong with signatures, by the repository, the client and the keys as they ship: a device that is offered it
// fetches nothing, says why, and goes on with what runs.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PublishedBundle, sampleDevice, type UpdateWorld } from '@skerry/edge-agent/testing';
import { keptEvidence } from '@skerry/edge-agent/trust';
import { parseJson } from '@skerry/shared';
import { type Signer, signEnvelope } from '@skerry/shared/node';
import { assignmentPayloadType } from '@skerry/sync-protocol/update';
import {
  forge,
  holdCeremony,
  type KeyCeremony,
  type Mirror,
  mirrorOf,
  must,
  newSigner,
  sourceOf,
} from '../trust/key-ceremony.ts';
import { createTrustingDevice, type TrustingDevice } from '../trust/trusting-device.ts';
import type { Scenario } from './scenarios.ts';

interface Trusted {
  readonly ceremony: KeyCeremony;
  readonly device: TrustingDevice;
  /** What the device reads. */
  mirror: Mirror;
  readonly next: PublishedBundle;
}

interface Signed {
  readonly name: string;
  /** Until here all is well: the factory's bundle and 1.1.0 are published, and the device has read it. */
  meet(trusted: Trusted): void | Promise<void>;
  /** Who signs the assignment; the director where nothing is said. */
  readonly signer?: (ceremony: KeyCeremony) => Signer;
  /** Absent: 1.1.0 is confirmed. */
  readonly refusal?: string;
}

const dayMs = 86_400_000;

const signed: readonly Signed[] = [
  { name: 'none', meet() {} },
  {
    name: 'an assignment by a key that is no director’s',
    meet() {},
    signer: newSigner,
    refusal: '0 of 1 keys have signed it',
  },
  {
    name: 'an assignment by a key of the targets role',
    meet() {},
    signer: ({ keys }) => keys.targets[0] ?? newSigner(),
    refusal: '0 of 1 keys have signed it',
  },
  {
    name: 'targets signed by one key of two',
    meet: ({ mirror, ceremony }) =>
      resign(mirror, '2.targets.json', ceremony.keys.targets.slice(0, 1)),
    refusal: 'untrusted',
  },
  {
    name: 'targets signed by strangers',
    meet: ({ mirror }) => resign(mirror, '2.targets.json', [newSigner(), newSigner()]),
    refusal: 'untrusted',
  },
  {
    name: 'expired metadata',
    meet: ({ device, ceremony }) => device.setClock(ceremony.nowMs() + 2 * dayMs),
    refusal: 'expired',
  },
  {
    name: 'replayed older metadata',
    async meet(trusted) {
      const old = trusted.mirror;
      await trusted.ceremony.add('sample/9.0.0/manifest.json', new Uint8Array(9));
      await trusted.ceremony.publish(trusted.ceremony.keys.targets);
      const newer = await mirrorOf(trusted.ceremony);
      must(await trusted.device.open().refresh(sourceOf(newer), []));
      trusted.mirror = old;
    },
    refusal: 'untrusted',
  },
  {
    name: 'mix and match: a newer snapshot over older targets',
    async meet(trusted) {
      const old = trusted.mirror;
      await trusted.ceremony.add('sample/9.0.0/manifest.json', new Uint8Array(9));
      await trusted.ceremony.publish(trusted.ceremony.keys.targets);
      const newer = await mirrorOf(trusted.ceremony);
      const targets = old.get('2.targets.json') ?? new Uint8Array();
      trusted.mirror = new Map([...newer, ['3.targets.json', targets]]);
    },
    refusal: 'untrusted',
  },
];

/** The same content, by other hands. */
async function resign(mirror: Mirror, name: string, signers: readonly Signer[]): Promise<void> {
  await forge(mirror, name, (content) => ({ ...content, version: content.version }), signers);
}

export const signedFaults: readonly Scenario[] = signed.map(({ name, meet, signer, refusal }) => ({
  name: `signatures: ${name}`,
  async begin(world) {
    const trusted = await publish(world);
    const { ceremony, next } = trusted;
    // A device that has read nothing yet, so that each file is asked for.
    const fresh = createTrustingDevice(must(await ceremony.repository.file('1.root.json')));
    const met = { ...trusted, device: fresh };
    await meet(met);
    trust(world, met);
    const { payload } = JSON.parse(new TextDecoder().decode(world.assignment(next)));
    const by = signer?.(ceremony) ?? ceremony.keys.director[0] ?? newSigner();
    const bytes = new TextEncoder().encode(payload);
    const envelope = must(await signEnvelope(by, assignmentPayloadType, bytes));
    return {
      act: (life) => life.receive(new TextEncoder().encode(JSON.stringify(envelope))),
      async ended(life) {
        const { state, waiting = '' } = life.updates.statusOf(sampleDevice.model) ?? {};
        const why = `${waiting} ${life.updates.refused()?.message ?? ''}`;
        const bundle = (await life.ask())?.bundle;
        const isOver =
          refusal === undefined
            ? state === 'confirmed' && bundle === next.manifest.digest
            : why.includes(refusal) &&
              world.fetched.length === 0 &&
              bundle === world.factory.manifest.digest;
        if (isOver) {
          fresh.close();
          ceremony.close();
        }
        return isOver;
      },
    };
  },
}));

async function publish(world: UpdateWorld): Promise<Omit<Trusted, 'device'>> {
  const ceremony = await holdCeremony();
  const next = await world.publish('1.1.0', 32);
  world.sign(next);
  for (const { folder, terms } of [world.factory, next])
    await ceremony.add(terms.target, await readFile(join(folder, 'manifest.json')));
  await ceremony.publish(ceremony.keys.targets);
  return { ceremony, mirror: await mirrorOf(ceremony), next };
}

function trust(world: UpdateWorld, { device, mirror }: Trusted): void {
  const client = device.open();
  world.set.trust = {
    async verifyAssignment(envelope) {
      const json = parseJson(envelope, 'the envelope', 'malformed_message');
      return json.ok ? client.verifyAssignment(json.value) : json;
    },
    refresh: (_, path) => client.refresh(sourceOf(mirror), path === undefined ? [] : [path]),
    metadataOf: () => undefined,
    target: (path) => client.target(path),
    ...keptEvidence(client),
    confirmed: (...of) => client.confirmed(...of),
  };
}
