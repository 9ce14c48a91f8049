// A TUF repository that obeys nobody: any version, any signer, any delegation, changed under the client's eyes. It signs
// what it is when it is asked, and keeps the roots that it has published.

import { createHash } from 'node:crypto';
import { type Metadata, type Signed, signMetadata } from '@skerry/cloud-coordinator/trust';
import type { MetadataSource } from '@skerry/edge-agent/trust';
import { err, failure, ok } from '@skerry/shared';
import { instantOf, type PublicKey, type Signer } from '@skerry/shared/node';
import { must, newSigner } from './key-ceremony.ts';

const dayMs = 86_400_000;

export interface SimulatedRole {
  keyids: string[];
  threshold: number;
  [unknown: string]: unknown;
}

interface SimulatedSigned {
  version: number;
  expires: string;
  [unknown: string]: unknown;
}

export interface SimulatedRoot extends SimulatedSigned {
  keys: Record<string, PublicKey & Record<string, unknown>>;
  roles: Record<string, SimulatedRole>;
}

interface SimulatedMeta {
  version: number;
  length?: number;
  hashes?: Record<string, string>;
}

export interface SimulatedListing extends SimulatedSigned {
  meta: Record<string, SimulatedMeta>;
}

export interface SimulatedTargets extends SimulatedSigned {
  targets: Record<string, object>;
  delegations?: {
    keys: Record<string, PublicKey>;
    roles: (SimulatedRole & { name: string; paths: string[]; terminating: boolean })[];
  };
}

export type TufSimulator = ReturnType<typeof createTufSimulator>;

export const inDays = (days: number): string => instantOf(Date.now() + days * dayMs);

export function createTufSimulator() {
  const common = () => ({ spec_version: '1.0.31', version: 1, expires: inDays(30) });
  const root: SimulatedRoot = {
    _type: 'root',
    ...common(),
    consistent_snapshot: true,
    keys: {},
    roles: {},
  };
  const timestamp: SimulatedListing = { _type: 'timestamp', ...common(), meta: {} };
  const snapshot: SimulatedListing = { _type: 'snapshot', ...common(), meta: {} };
  /** The top-level targets and all delegated ones. */
  const targets = new Map<string, SimulatedTargets>();
  const newTargets = (): SimulatedTargets => ({ _type: 'targets', ...common(), targets: {} });
  targets.set('targets', newTargets());
  const signers = new Map<string, Signer[]>();
  const roots: Uint8Array[] = [];
  /** What was asked for, as [role, version]. */
  const asked: [string, number | undefined][] = [];
  let withHashes = false;

  const sign = async (role: string, signed: SimulatedSigned): Promise<Uint8Array> => {
    const metadata = must(await signMetadata(signed as unknown as Signed, signers.get(role) ?? []));
    return new TextEncoder().encode(JSON.stringify(metadata satisfies Metadata));
  };

  const metaOf = async (role: string, signed: SimulatedSigned): Promise<SimulatedMeta> => {
    if (!withHashes) return { version: signed.version };
    const bytes = await sign(role, signed);
    const hashes = { sha256: createHash('sha256').update(bytes).digest('hex') };
    return { version: signed.version, length: bytes.length, hashes };
  };

  const current = (role: string): SimulatedSigned | undefined =>
    role === 'timestamp' ? timestamp : role === 'snapshot' ? snapshot : targets.get(role);

  const simulator = {
    root,
    timestamp,
    snapshot,
    targets,
    signers,
    roots,
    asked,
    top: () => targets.get('targets') as SimulatedTargets,
    hash(on: boolean) {
      withHashes = on;
    },

    addKey(role: string, signer = newSigner(), list: SimulatedRole | undefined = root.roles[role]) {
      root.keys[signer.keyId] = { ...signer.publicKey };
      list?.keyids.push(signer.keyId);
      signers.set(role, [...(signers.get(role) ?? []), signer]);
    },

    /** One new key in place of all. */
    rotate(role: string) {
      const old = root.roles[role];
      if (old !== undefined) old.keyids = [];
      signers.set(role, []);
      simulator.addKey(role);
    },

    async publishRoot() {
      roots.push(await sign('root', root));
    },

    async bumpRoot() {
      root.version += 1;
      await simulator.publishRoot();
    },

    async updateTimestamp() {
      timestamp.meta['snapshot.json'] = await metaOf('snapshot', snapshot);
      timestamp.version += 1;
    },

    async updateSnapshot() {
      for (const [role, signed] of targets)
        snapshot.meta[`${role}.json`] = await metaOf(role, signed);
      snapshot.version += 1;
      await simulator.updateTimestamp();
    },

    /** A role that `by` delegates to, with a key of its own. */
    delegate(by: string, name: string, paths: readonly string[] = ['*'], terminating = false) {
      const delegator = targets.get(by);
      if (delegator === undefined) throw new Error(`no role ${by}`);
      delegator.delegations ??= { keys: {}, roles: [] };
      const [signer = newSigner()] = signers.get(name) ?? [];
      signers.set(name, [signer]);
      delegator.delegations.keys[signer.keyId] = signer.publicKey;
      const role = { name, keyids: [signer.keyId], threshold: 1, paths: [...paths], terminating };
      delegator.delegations.roles.push(role);
      if (!targets.has(name)) targets.set(name, newTargets());
    },

    /** As a bundle, so that the client takes it. */
    addTarget(role: string, path: string) {
      const [model = '', version = ''] = path.split('/');
      const hashes = { sha256: createHash('sha256').update(path).digest('hex') };
      const custom = { model, version, releaseCounter: 0 };
      const held = targets.get(role);
      if (held !== undefined) held.targets[path] = { length: 1, hashes, custom };
    },

    async file(name: string): Promise<Uint8Array | undefined> {
      const [, version, encoded = ''] = /^(?:(\d+)\.)?(.+)\.json$/.exec(name) ?? [];
      const role = decodeURIComponent(encoded);
      asked.push([role, version === undefined ? undefined : Number(version)]);
      if (role === 'root') return roots[Number(version) - 1];
      const signed = current(role);
      return signed === undefined ? undefined : sign(role, signed);
    },

    source(): MetadataSource {
      return {
        async read(name, bytesMax) {
          const bytes = await simulator.file(name);
          if (bytes === undefined) return err(failure('not_found', `no ${name}`));
          return bytes.length <= bytesMax ? ok(bytes) : err(failure('too_large', name));
        },
      };
    },
  };

  /** Version 1 of all. */
  const begin = async (): Promise<typeof simulator> => {
    for (const role of ['root', 'timestamp', 'snapshot', 'targets']) {
      root.roles[role] = { keyids: [], threshold: 1 };
      simulator.addKey(role);
    }
    snapshot.meta['targets.json'] = { version: 1 };
    timestamp.meta['snapshot.json'] = { version: 1 };
    await simulator.publishRoot();
    return simulator;
  };
  return { ...simulator, begin };
}
