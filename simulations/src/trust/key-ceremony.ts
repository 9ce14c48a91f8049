// A repository with its key holders, as tests and attacks need it: every key of every role, a clock that can be turned,
// and publications that are signed by whom the test names.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addTarget,
  createRoot,
  createStagedFiles,
  createTrustFiles,
  createTrustRepository,
  type Metadata,
  type Signed,
  signMetadata,
  type TrustRepository,
  type TrustStore,
} from '@skerry/cloud-coordinator/trust';
import type { MetadataSource } from '@skerry/edge-agent/trust';
import { err, failure, ok, type Result } from '@skerry/shared';
import { createKeySigner, type Signer, sha256 } from '@skerry/shared/node';

export type TopRole = 'root' | 'targets' | 'snapshot' | 'timestamp' | 'director';

export interface KeyCeremony {
  readonly repository: TrustRepository;
  readonly folder: string;
  readonly keys: Record<TopRole, Signer[]>;
  /** Of all roles, old ones too: the coordinator's and the key holders' at once. */
  readonly online: Signer[];
  nowMs(): number;
  /** Turns the repository's clock. */
  pass(ms: number): void;
  /** Signs all that is staged by whoever is of `signers`, and publishes it. */
  publish(signers: readonly Signer[]): Promise<readonly string[]>;
  /** Stages a target of these bytes, under the top-level role where no other is named. */
  add(
    path: string,
    bytes: Uint8Array,
    custom?: Record<string, string | number>,
    role?: string,
  ): Promise<void>;
  close(): void;
}

export function newSigner(): Signer {
  return must(createKeySigner(generateKeyPairSync('ed25519').privateKey));
}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

/** 2 of 3 for root and targets, one key each online; version 1 of all is published. */
export async function holdCeremony(
  wrapStore: (store: TrustStore) => TrustStore = (store) => store,
): Promise<KeyCeremony> {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-ceremony-'));
  let offsetMs = 0;
  const nowMs = (): number => Date.now() + offsetMs;
  const of = (count: number): Signer[] => Array.from({ length: count }, newSigner);
  const keys = { root: of(3), targets: of(3), snapshot: of(1), timestamp: of(1), director: of(1) };
  const online = [...keys.snapshot, ...keys.timestamp];
  const clock = { nowMs, monotonicMs: nowMs, after: () => ({ cancel() {} }) };
  const repository = createTrustRepository({
    store: wrapStore(createTrustFiles(join(folder, 'tuf'), nowMs)),
    staging: createStagedFiles(join(folder, 'staged')),
    signers: online,
    clock,
  });
  const publish = async (signers: readonly Signer[]): Promise<readonly string[]> => {
    for (const { role, metadata } of must(await repository.staged())) {
      const signed = must(await signMetadata(metadata.signed, signers));
      must(await repository.collect(role, signed));
    }
    return must(await repository.publish());
  };
  const roleOf = (role: TopRole, threshold: number) => ({
    keys: keys[role].map(({ publicKey }) => publicKey),
    threshold,
  });
  const roles = {
    root: roleOf('root', 2),
    targets: roleOf('targets', 2),
    snapshot: roleOf('snapshot', 1),
    timestamp: roleOf('timestamp', 1),
    director: roleOf('director', 1),
  };
  must(await repository.stage(must(createRoot(roles, nowMs()))));
  await publish([...keys.root, ...keys.targets]);
  return {
    repository,
    folder,
    keys,
    online,
    nowMs,
    pass: (ms) => {
      offsetMs += ms;
    },
    publish,
    async add(path, bytes, custom, role = 'targets') {
      const [model = '', version = ''] = path.split('/');
      const target = {
        length: bytes.length,
        hashes: { sha256: sha256(bytes).slice('sha256:'.length) },
        custom: custom ?? { model, version, releaseCounter: 1 },
      };
      const draft = must(await repository.draft());
      must(await repository.stage(must(addTarget(draft, role, [path, target], nowMs()))));
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What a mirror holds: files by name, to be served late, mixed or changed. */
export type Mirror = Map<string, Uint8Array>;

export async function mirrorOf({ repository }: KeyCeremony): Promise<Mirror> {
  const pack = JSON.parse(new TextDecoder().decode(must(await repository.pack()))) as {
    readonly files: Readonly<Record<string, string>>;
  };
  return new Map(
    Object.entries(pack.files).map(([name, text]) => [name, new TextEncoder().encode(text)]),
  );
}

/** With the names that were asked for. */
export function sourceOf(mirror: Mirror): MetadataSource & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async read(name, bytesMax) {
      asked.push(name);
      const bytes = mirror.get(name);
      if (bytes === undefined) return err(failure('not_found', `no ${name}`));
      return bytes.length <= bytesMax ? ok(bytes) : err(failure('too_large', name));
    },
  };
}

/** The metadata of a mirror, changed and signed by whoever is given. */
export async function forge<T extends Signed>(
  mirror: Mirror,
  name: string,
  change: (signed: T) => Signed,
  signers: readonly Signer[],
): Promise<Metadata> {
  const { signed } = JSON.parse(new TextDecoder().decode(mirror.get(name))) as Metadata<T>;
  const metadata = must(await signMetadata(change(signed), signers));
  mirror.set(name, new TextEncoder().encode(JSON.stringify(metadata)));
  return metadata;
}
