// The collections that this coordinator publishes: each a log, its snapshots blobs, and who holds it told in devices'
// twins. A snapshot is told once offline keys have signed it, and never by this process alone.

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import {
  type ComposedSnapshot,
  composeSnapshot,
  isSameContent,
  readManifest,
  type SnapshotDraft,
  type SnapshotManifest,
  snapshotTargetPath,
} from '@skerry/sync-protocol/collections';
import { createEventLog, type EventLog } from '../event-log/event-log.ts';
import type { EventStore } from '../event-log/event-store.ts';
import type { Published } from '../update/trust/published.ts';
import type { TrustRepository } from '../update/trust/repository.ts';
import { keepBlobs, letGo, type ReadersOf } from './audiences.ts';
import {
  type CollectionEvent,
  type CollectionState,
  collectionEventSchema,
  foldCollection,
  noCollection,
  type PublishedSnapshot,
  type SubscriptionOrder,
  subscriptionOrderSchema,
  subscriptionsMax,
} from './collection-event.ts';
import { collectionEventsMax, collectionFolding } from './fold-collection-log.ts';
import { isSigned } from './is-signed.ts';
import type { OfferedCollection } from './plan-holders.ts';
import { refuseRestricted } from './refuse-restricted.ts';
import { blobsOfSnapshot, type SnapshotBlobs } from './snapshot-blobs.ts';

export interface CollectionsPorts {
  readonly logs: EventStore;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  readonly repository: Pick<TrustRepository, 'published'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PublishOutcome {
  readonly collection: string;
  readonly target: string;
  readonly snapshot: PublishedSnapshot;
  /** It holds what the last one does, and is that one. */
  readonly unchanged: boolean;
}

export interface Collections {
  list(): Promise<Result<readonly string[]>>;
  /** Fails with `not_found`. */
  state(collection: string): Promise<Result<CollectionState>>;
  /** Its documents must be whole blobs by now, else it says which are lacking and does nothing. */
  publish(
    draft: SnapshotDraft,
    by: string,
  ): Promise<Result<PublishOutcome | { readonly lacking: readonly BlobRef[] }>>;
  /** As it is signed. */
  manifest(collection: string, sequence: number): Promise<Result<Uint8Array>>;
  /** `order` undefined: ends it. */
  subscribe(
    collection: string,
    id: string,
    order: SubscriptionOrder | undefined,
    by: string,
  ): Promise<Result<void>>;
  /** What may be told now: of each that is signed its newest. */
  offered(): Promise<Result<readonly OfferedCollection[]>>;
  /** Whether some device may hold one no longer that it was told to. */
  hasEnded(): boolean;
}

/** Others that write to the same log at the same moment. */
const appendsMax = 5;
const collectionsMax = 1_024;
/** Whose blobs are kept: devices may be on their way to one that is not the newest. */
const snapshotsKept = 3;
/** That lie in one log: where what they come to is more than one event may hold, they stay. */
export const eventsHeldMax = 4_096;

type CollectionLog = EventLog<CollectionEvent, CollectionState>;

export function createCollections(ports: CollectionsPorts): Collections {
  const { logs, blobs, clock } = ports;
  const known = new Map<string, CollectionLog>();
  /** As of the last fold. */
  let signed: Published | undefined;

  const openLog = (collection: string): CollectionLog =>
    createEventLog(
      logs,
      collection,
      collectionEventSchema,
      noCollection,
      foldCollection,
      undefined,
      collectionFolding((snapshot) => isSigned(signed, collection, snapshot)),
    );

  const open = async (collection: string): Promise<Result<CollectionLog>> => {
    const log = known.get(collection) ?? openLog(collection);
    const fresh = await log.refresh();
    if (!fresh.ok) return fresh;
    if (log.state() !== noCollection) known.set(collection, log);
    return ok(log);
  };

  /** [TRV17] What it fails with is tried again after the next event. */
  const fold = async (log: CollectionLog): Promise<void> => {
    if (log.held() < collectionEventsMax) return;
    const now = await ports.repository.published();
    if (now.ok) signed = now.value;
    const folded = now.ok ? await log.fold() : now;
    const collection = log.name;
    if (!folded.ok) ports.log.error({ collection, code: folded.error.code }, folded.error.message);
    else if (folded.value !== undefined)
      ports.log.info({ collection, ...folded.value }, 'the oldest events of its log are one now');
  };

  const append = async (
    collection: string,
    make: (state: CollectionState) => Result<CollectionEvent | undefined>,
  ): Promise<Result<void>> => {
    for (let attempt = 0; attempt < appendsMax; attempt++) {
      const log = await open(collection);
      if (!log.ok) return log;
      const event = make(log.value.state());
      if (!event.ok) return event;
      if (event.value === undefined) return ok(undefined);
      // It may have grown before logs were folded, or while they could not be.
      if (log.value.held() >= eventsHeldMax) await fold(log.value);
      if (log.value.held() >= eventsHeldMax && event.value.kind !== 'unsubscribed')
        return err(tooLong(collection, log.value.held()));
      const appended = await log.value.append([event.value]);
      if (!appended.ok) return appended;
      if (!appended.value) continue;
      await fold(log.value);
      return ok(undefined);
    }
    return err(failure('overloaded', `others keep changing collection ${collection}`));
  };

  const stateOf = async (collection: string): Promise<Result<CollectionState>> => {
    const names = await logs.list();
    if (!names.ok) return names;
    if (!names.value.includes(collection))
      return err(failure('not_found', `no collection '${collection}'`));
    const log = await open(collection);
    return log.ok ? ok(log.value.state()) : log;
  };

  const readBlob = ({ digest, bytes }: BlobRef): Promise<Result<Uint8Array>> =>
    blobs.read(digest, 0, bytes);

  const manifestOf = async (ref: BlobRef): Promise<Result<SnapshotManifest>> => {
    const bytes = await readBlob(ref);
    return bytes.ok ? readManifest(bytes.value, sha256) : bytes;
  };

  const lackingOf = async (draft: SnapshotDraft): Promise<Result<readonly BlobRef[]>> => {
    const lacking = new Map<string, BlobRef>();
    const wanted = draft.documents.map(({ blob }) => blob);
    for (const ref of [...wanted, ...(draft.answers === undefined ? [] : [draft.answers])]) {
      const held = await blobs.holding(ref.digest);
      if (!held.ok) return held;
      if (held.value.kind !== 'whole' || held.value.bytes !== ref.bytes)
        lacking.set(ref.digest, ref);
    }
    return ok([...lacking.values()]);
  };

  const storeAll = async (composed: ComposedSnapshot, manifest: BlobRef): Promise<Result<void>> => {
    for (const [digest, page] of [
      ...composed.pages,
      [manifest.digest, composed.manifestBytes] as const,
    ]) {
      const stored = await storeBytes(blobs, { digest, bytes: page.length }, page);
      if (!stored.ok) return stored;
    }
    return ok(undefined);
  };

  const blobsOf = async ({ manifest: ref }: PublishedSnapshot): Promise<Result<SnapshotBlobs>> => {
    const manifest = await manifestOf(ref);
    return manifest.ok ? blobsOfSnapshot(manifest.value, ref.digest, readBlob) : manifest;
  };

  /** Of those that are too old for anybody to be on the way to. */
  const forgetOld = async (collection: string): Promise<void> => {
    const log = known.get(collection);
    const old = log?.state().snapshots.at(-1 - snapshotsKept);
    if (log === undefined || old === undefined) return;
    const gone = await blobsOf(old);
    const kept: ReadersOf[] = [];
    for (const each of log.state().snapshots.slice(-snapshotsKept)) {
      const blobs = await blobsOf(each);
      if (!blobs.ok) return;
      kept.push(blobs.value.readers);
    }
    if (!gone.ok) return;
    const dropped = await letGo(ports.references, collection, gone.value.readers.keys(), kept);
    if (!dropped.ok)
      ports.log.error({ collection, code: dropped.error.code }, dropped.error.message);
  };

  /** `undefined`: it holds what the last one does. */
  const compose = async (
    draft: SnapshotDraft,
    last: PublishedSnapshot | undefined,
  ): Promise<Result<ComposedSnapshot | undefined>> => {
    const before = last && { sequence: last.sequence, manifest: last.manifest.digest };
    const composed = composeSnapshot(draft, before, sha256);
    if (!composed.ok || last === undefined) return composed;
    const manifest = await manifestOf(last.manifest);
    if (!manifest.ok) return manifest;
    return ok(isSameContent(composed.value.manifest, manifest.value) ? undefined : composed.value);
  };

  return {
    list: () => logs.list(),
    state: stateOf,

    async publish(draft, by) {
      const { collection } = draft;
      const log = await open(collection);
      if (!log.ok) return log;
      const last = log.value.state().snapshots.at(-1);
      const composed = await compose(draft, last);
      if (!composed.ok) return composed;
      if (composed.value === undefined && last !== undefined) {
        const target = snapshotTargetPath(collection, last.sequence);
        return ok({ collection, target, snapshot: last, unchanged: true });
      }
      const { manifest, manifestBytes } = composed.value as ComposedSnapshot;
      const ref = { digest: sha256(manifestBytes), bytes: manifestBytes.length };
      const lacking = await lackingOf(draft);
      if (!lacking.ok) return lacking;
      if (lacking.value.length > 0) return ok({ lacking: lacking.value });
      const cites = draft.answers === undefined ? undefined : await readBlob(draft.answers);
      const checked = cites?.ok ? refuseRestricted(draft, cites.value) : cites;
      if (checked?.ok === false) return checked;
      const stored = await storeAll(composed.value as ComposedSnapshot, ref);
      if (!stored.ok) return stored;
      const blobs = await blobsOfSnapshot(manifest, ref.digest, readBlob);
      if (!blobs.ok) return blobs;
      const kept = await keepBlobs(ports.references, collection, blobs.value.readers);
      if (!kept.ok) return kept;
      // Before they were referred to, one may have been evicted.
      const gone = await lackingOf(draft);
      if (!gone.ok) return gone;
      if (gone.value.length > 0) return ok({ lacking: gone.value });
      const old = last === undefined ? ok(undefined) : await blobsOf(last);
      if (!old.ok) return old;
      const isFresh = (digest: string) => !old.value?.documents.has(digest);
      const { sequence, root, documents, passages } = manifest;
      const snapshot: PublishedSnapshot = {
        sequence,
        manifest: ref,
        root,
        documents,
        passages,
        bytes: bytesOf(draft),
        freshBytes: bytesOf(draft, isFresh),
      };
      const published = await append(collection, ({ snapshots }) =>
        (snapshots.at(-1)?.sequence ?? 0) === sequence - 1
          ? ok({ kind: 'published', atMs: clock.nowMs(), by, snapshot })
          : err(failure('overloaded', `others publish ${collection} at this moment`)),
      );
      if (!published.ok) return published;
      await forgetOld(collection);
      const target = snapshotTargetPath(collection, sequence);
      return ok({ collection, target, snapshot, unchanged: false });
    },

    async manifest(collection, sequence) {
      const state = await stateOf(collection);
      if (!state.ok) return state;
      const found = state.value.snapshots.find((each) => each.sequence === sequence);
      return found === undefined
        ? err(failure('not_found', `${collection} has no snapshot ${sequence}`))
        : readBlob(found.manifest);
    },

    subscribe: async (collection, id, order, by) => {
      const parsed = order && subscriptionOrderSchema.safeParse(order);
      if (parsed?.success === false)
        return err(failure('invalid_argument', parsed.error.issues[0]?.message ?? 'no order'));
      return append(collection, ({ snapshots, subscriptions }) => {
        if (snapshots.length === 0)
          return err(failure('not_found', `no collection '${collection}'`));
        if (parsed === undefined)
          return subscriptions.has(id)
            ? ok({ kind: 'unsubscribed', atMs: clock.nowMs(), by, id })
            : err(failure('not_found', `${collection} has no subscription ${id}`));
        if (subscriptions.size >= subscriptionsMax && !subscriptions.has(id))
          return err(failure('overloaded', `${subscriptions.size} subscriptions there are`));
        return ok({ kind: 'subscribed', atMs: clock.nowMs(), by, id, order: parsed.data });
      });
    },

    async offered() {
      const names = await logs.list();
      if (!names.ok) return names;
      const published = await ports.repository.published();
      if (!published.ok) return published;
      const offered: OfferedCollection[] = [];
      for (const collection of names.value.slice(0, collectionsMax)) {
        const log = await open(collection);
        if (!log.ok) return log;
        const { snapshots, subscriptions } = log.value.state();
        const newest = snapshots.findLast((each) => isSigned(published.value, collection, each));
        if (newest === undefined) continue;
        const { sequence, manifest } = newest;
        offered.push({
          collection,
          subscriptions: [...subscriptions.values()],
          newest: {
            sequence,
            target: snapshotTargetPath(collection, sequence),
            manifest: manifest.digest,
            manifestBytes: manifest.bytes,
          },
        });
      }
      return ok(offered);
    },

    hasEnded: () => [...known.values()].some((log) => log.state().hasEnded),
  };
}

const tooLong = (collection: string, events: number) =>
  failure(
    'too_large',
    `the log of ${collection} holds ${events} events, which come to more than one may hold: end subscriptions that name many devices`,
  );

const bytesOf = (
  { documents }: SnapshotDraft,
  counts: (digest: string) => boolean = () => true,
): number => documents.reduce((sum, { blob }) => sum + (counts(blob.digest) ? blob.bytes : 0), 0);
