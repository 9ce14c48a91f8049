// The TUF repository: stages edits, takes in the key holders' signatures, publishes what enough of them have signed, and
// keeps timestamp and snapshot fresh with the online keys. Read on devices by another implementation (decision 0060).

import { type Clock, err, type Failure, failure, ok, type Result } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import { signersOf } from './count-signers.ts';
import type { Changes, Draft } from './draft.ts';
import { canonicalBytes, type KeySet, type Metadata, type Signed } from './metadata.ts';
import { packMetadata } from './pack-metadata.ts';
import { planPublication } from './plan-publication.ts';
import { type Published, readPublished } from './published.ts';
import { isDue, type SignedPublication, signPublication } from './sign-publication.ts';
import { draftOf, needsOf, pending } from './staged-roles.ts';
import type { StagingArea, TrustStore } from './trust-store.ts';

/** Others that publish at the same moment. */
const commitsMax = 5;

export interface TrustPorts {
  readonly store: TrustStore;
  readonly staging: StagingArea;
  /** The online keys; those of snapshot and timestamp are found by the root. */
  readonly signers: readonly Signer[];
  readonly clock: Clock;
}

export interface TrustRepository {
  published(): Promise<Result<Published | undefined>>;
  /** What edits are made on: what is staged, else what is published. Fails with `not_found` before the first root. */
  draft(): Promise<Result<Draft>>;
  /** Puts what changed where key holders find it, unsigned. Says which roles. */
  stage(changes: Changes): Promise<Result<readonly string[]>>;
  staged(): Promise<Result<readonly StagedRole[]>>;
  /** Adds the signatures of `metadata` to the staged role that it is, byte for byte; says how many were new. */
  collect(role: string, metadata: Metadata): Promise<Result<number>>;
  /** All that is staged, or these roles of it. Says which files are new. */
  publish(roles?: readonly string[]): Promise<Result<readonly string[]>>;
  /** Signs timestamp and snapshot anew where they are due. */
  refresh(): Promise<Result<'fresh' | 'signed'>>;
  /** As a client asks: timestamp.json, 3.root.json. Fails with `not_found`. */
  file(name: string): Promise<Result<Uint8Array>>;
  /** All that a device needs, in one file. */
  pack(): Promise<Result<Uint8Array>>;
}

export interface StagedRole {
  readonly role: string;
  readonly metadata: Metadata;
  /** Each set of keys that must sign: root has two, its own and those of the root before it. */
  readonly needs: readonly {
    readonly keySet: KeySet;
    readonly signers: readonly string[];
  }[];
}

export function createTrustRepository(ports: TrustPorts): TrustRepository {
  const { store, staging, clock } = ports;

  const load = async () => {
    const published = await readPublished(store);
    if (!published.ok) return published;
    const staged = await staging.list();
    if (!staged.ok) return staged;
    return ok({ published: published.value, staged: pending(published.value, staged.value) });
  };

  const commit = async (
    publication: (
      published: Published | undefined,
    ) => Promise<Result<SignedPublication | undefined>>,
  ): Promise<Result<SignedPublication | undefined>> => {
    let last: Failure | undefined;
    for (let attempt = 0; attempt < commitsMax; attempt++) {
      const published = await readPublished(store);
      if (!published.ok) return published;
      const written = await publication(published.value);
      if (!written.ok || written.value === undefined) return written;
      const committed = await store.commit(written.value.head);
      if (committed.ok) {
        const { files, timestamp } = written.value.head;
        // What cannot be forgotten now is forgotten after the next publication.
        await store.prune(new Set([...Object.values(files), timestamp]));
        return written;
      }
      if (committed.error.code !== 'overloaded') return committed;
      last = committed.error;
    }
    return err(last ?? failure('overloaded', 'others keep publishing'));
  };

  return {
    published: () => readPublished(store),

    async draft() {
      const loaded = await load();
      return loaded.ok ? draftOf(loaded.value.published, loaded.value.staged) : loaded;
    },

    async stage({ root, targets = new Map() }) {
      const changed: [string, Signed][] = [...targets];
      if (root !== undefined) changed.unshift(['root', root]);
      for (const [role, signed] of changed) {
        const put = await staging.put(role, { signed, signatures: [] });
        if (!put.ok) return put;
      }
      return ok(changed.map(([role]) => role));
    },

    async staged() {
      const loaded = await load();
      if (!loaded.ok) return loaded;
      const { published, staged } = loaded.value;
      if (staged.size === 0) return ok([]);
      const latest = draftOf(published, staged);
      if (!latest.ok) return latest;
      const roles = [...staged].map(([role, metadata]): StagedRole => {
        const needs = needsOf(role, latest.value, published?.root.signed);
        return {
          role,
          metadata,
          needs: needs.map(({ keys, keySet }) => ({
            keySet,
            signers: signersOf(metadata, keys, keySet),
          })),
        };
      });
      return ok(roles);
    },

    async collect(role, metadata) {
      const loaded = await load();
      if (!loaded.ok) return loaded;
      const { published, staged } = loaded.value;
      const own = staged.get(role);
      if (own === undefined) return err(failure('not_found', `no ${role} is staged`));
      if (!sameBytes(canonicalBytes(own.signed), canonicalBytes(metadata.signed)))
        return err(failure('invalid_argument', `this ${role} is not the one that is staged`));
      const latest = draftOf(published, staged);
      if (!latest.ok) return latest;
      const valid = new Set(
        needsOf(role, latest.value, published?.root.signed).flatMap(({ keys, keySet }) =>
          signersOf(metadata, keys, keySet),
        ),
      );
      const have = new Set(own.signatures.map(({ keyid }) => keyid));
      const fresh = metadata.signatures.filter(({ keyid }) => valid.has(keyid) && !have.has(keyid));
      if (fresh.length === 0 && metadata.signatures.every(({ keyid }) => !have.has(keyid)))
        return err(failure('untrusted', `no signature of a key of ${role} is on it`));
      const put = await staging.put(role, {
        signed: own.signed,
        signatures: [...own.signatures, ...fresh],
      });
      return put.ok ? ok(fresh.length) : put;
    },

    async publish(roles) {
      let names: readonly string[] = [];
      const written = await commit(async (published) => {
        const staged = await staging.list();
        if (!staged.ok) return staged;
        const waiting = pending(published, staged.value);
        const unknown = roles?.find((role) => !waiting.has(role));
        if (unknown !== undefined)
          return err(failure('not_found', `nothing of ${unknown} is staged`));
        const chosen = new Map(
          [...waiting].filter(([role]) => roles === undefined || roles.includes(role)),
        );
        if (chosen.size === 0) return err(failure('invalid_argument', 'nothing is staged'));
        const nowMs = clock.nowMs();
        const publication = planPublication(published, chosen, nowMs);
        if (!publication.ok) return publication;
        names = [...chosen.keys()];
        return signPublication(publication.value, published, nowMs, ports);
      });
      if (!written.ok) return written;
      for (const role of names) {
        const dropped = await staging.drop(role);
        if (!dropped.ok) return dropped;
      }
      return ok(written.value?.names ?? []);
    },

    async refresh() {
      const written = await commit(async (published) => {
        if (published === undefined) return ok(undefined);
        const nowMs = clock.nowMs();
        if (!isDue(published, nowMs)) return ok(undefined);
        const { root, targets } = published;
        return signPublication({ root, targets, fresh: new Map() }, published, nowMs, ports);
      });
      if (!written.ok) return written;
      return ok(written.value === undefined ? 'fresh' : 'signed');
    },

    async file(name) {
      const head = await store.head();
      if (!head.ok) return head;
      const { files = {}, timestamp } = head.value ?? {};
      const digest =
        name === 'timestamp.json'
          ? timestamp
          : Object.hasOwn(files, name)
            ? files[name]
            : undefined;
      return digest === undefined
        ? err(failure('not_found', `no metadata ${name}`))
        : store.read(digest);
    },

    async pack() {
      const published = await readPublished(store);
      if (!published.ok) return published;
      if (published.value === undefined)
        return err(failure('not_found', 'nothing is published: tuf init'));
      return packMetadata(published.value, store);
    },
  };
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);
