// Collections at the coordinator, in memory: published, signed, told, and who sees which blobs.

import { ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { createDeviceBlobs, storeBytes } from '@skerry/sync-protocol/blobs';
import {
  encodeDocument,
  passagesRootOf,
  type SnapshotDraft,
  type SnapshotEntry,
  snapshotTargetSchema,
} from '@skerry/sync-protocol/collections';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createVirtualClock,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import type { FleetDevice } from '../update/rollouts/ports.ts';
import type { Draft } from '../update/trust/draft.ts';
import { addSnapshot } from '../update/trust/edit-targets.ts';
import { audiencesOf } from './audiences.ts';
import { snapshotsNamed, subscriptionOrderSchema } from './collection-event.ts';
import { createCollections, eventsHeldMax, type PublishOutcome } from './collections.ts';
import { collectionEventsMax } from './fold-collection-log.ts';
import { readOffer } from './read-offer.ts';
import { refuseRestricted } from './refuse-restricted.ts';
import { createHolders } from './tell-holders.ts';

const documentOf = (uri: string, readers: string[] | null) => {
  const text = `all that ${uri} says`;
  const textDigest = sha256(new TextEncoder().encode(text));
  const passages = [{ start: 0, end: text.length, heading: '', textDigest }];
  const made = { text, passages, vectors: null, halves: new Uint16Array() };
  const bytes = encodeDocument(made);
  const entry: SnapshotEntry = {
    uri,
    digest: textDigest,
    title: uri,
    trust: 1,
    readers,
    meta: {},
    blob: { digest: sha256(bytes), bytes: bytes.length },
    passages: 1,
    passagesRoot: passagesRootOf(made, sha256),
  };
  return { entry, bytes };
};
const pump = documentOf('pump.md', null);
const winch = documentOf('winch.md', null);
const wages = documentOf('wages.md', ['boss']);
type Made = typeof pump;

function world() {
  const disk = createMemoryRolloutDisk();
  const store = createMemoryBlobStore();
  const references = createMemoryBlobReferences();
  const clock = createVirtualClock(1_000);
  const signed: Record<string, { hashes: { sha256: string } }> = {};
  const published = () =>
    ok({ targets: new Map([['targets', { signed: { targets: signed } }]]) } as never);
  const fleet: FleetDevice[] = [];
  const sites = new Map<string, string>();
  const twins = new Map<string, Record<string, unknown>>();
  const patches: string[] = [];
  const documents = {
    read: async (id: string) => ok({ value: { desired: { collections: twins.get(id) } } } as never),
    async patch(id: string, patch: unknown) {
      patches.push(id);
      const { desired } = patch as { desired: { collections: Record<string, unknown> } };
      const all = { ...twins.get(id), ...desired.collections };
      twins.set(id, Object.fromEntries(Object.entries(all).filter(([, each]) => each !== null)));
      return ok({} as never);
    },
  };
  const open = (isCertified = false) => {
    const repository = { published: async () => published() };
    const blobs = { blobs: store, references };
    const ports = {
      logs: createMemoryEventStore(disk),
      ...blobs,
      repository,
      clock,
      log: silentLog,
    };
    const collections = createCollections(ports);
    const holders = createHolders({
      collections,
      devices: { list: async (_, after) => ok(after === undefined ? fleet : []) },
      documents,
      siteOf: isCertified ? async (device) => ok(sites.get(device)) : undefined,
      metadata: async () => ok({ digest: sha256(new Uint8Array(9)), bytes: 9 }),
      clock,
      log: silentLog,
    });
    return { collections, holders };
  };
  return {
    ...open(),
    open,
    disk,
    store,
    references,
    signed,
    sites,
    twins,
    patches,
    join(device: string, more: Partial<FleetDevice> = {}) {
      const at = { target: 'x', site: 'default', labels: [], online: true, seenMs: 0, running: {} };
      fleet.push({ device, ...at, ...more });
    },
    async put(...made: readonly Made[]) {
      for (const { entry, bytes } of made) unwrap(await storeBytes(store, entry.blob, bytes));
    },
    sign({ target, snapshot }: PublishOutcome) {
      signed[target] = { hashes: { sha256: snapshot.manifest.digest.slice('sha256:'.length) } };
    },
    sees: (device: string, { audiencesOf }: { audiencesOf(device: string): readonly string[] }) =>
      createDeviceBlobs(
        {
          store,
          references,
          claims: createMemoryBlobReferences(),
          siteOf: async () => undefined,
          audiencesOf,
          nowMs: clock.nowMs,
        },
        { quotaBytesMax: 1, partialsMax: 1, graceMs: 0 },
      )(device),
  };
}

const draftOf = (...made: readonly Made[]): SnapshotDraft => ({
  collection: 'manuals',
  vectors: null,
  documents: made.map(({ entry }) => entry),
});
const must = async (publishing: ReturnType<ReturnType<typeof createCollections>['publish']>) => {
  const outcome = unwrap(await publishing);
  if ('lacking' in outcome) throw new Error('documents lack');
  return outcome;
};
const everybody = { selection: {}, readers: [] };

describe('a collection', () => {
  it('[TRV11] is published once its documents are here, numbered one by one, and the same again is the same', async () => {
    const it = world();
    const { collections } = it;
    const first = await collections.publish(draftOf(pump, winch), 'ann');
    expect(first).toEqual({ ok: true, value: { lacking: [pump.entry.blob, winch.entry.blob] } });
    expect(unwrap(await collections.list())).toEqual([]);
    await it.put(pump, winch);
    const one = await must(collections.publish(draftOf(pump), 'ann'));
    expect(one).toMatchObject({ target: 'collections/manuals/1.json', unchanged: false });
    const two = await must(it.open().collections.publish(draftOf(winch, pump), 'bob'));
    const winchBytes = winch.entry.blob.bytes;
    expect(two.snapshot).toMatchObject({ sequence: 2, documents: 2, freshBytes: winchBytes });
    const again = await must(collections.publish(draftOf(pump, winch), 'ann'));
    expect(again).toMatchObject({ snapshot: two.snapshot, unchanged: true });
    const manifest = unwrap(await collections.manifest('manuals', 2));
    expect(sha256(manifest)).toBe(two.snapshot.manifest.digest);
    expect(JSON.parse(new TextDecoder().decode(manifest))).toMatchObject({
      previous: one.snapshot.manifest.digest,
    });
    const state = unwrap(await collections.state('manuals'));
    expect(state.snapshots.map(({ sequence, by }) => [sequence, by])).toEqual([
      [1, 'ann'],
      [2, 'bob'],
    ]);
  });

  it('[TRV11] keeps the blobs of its last snapshots, and lets go of what none of them has', async () => {
    const it = world();
    await it.put(pump, winch, wages);
    const { collections, references } = it;
    for (const draft of [[pump], [winch], [winch, wages], [wages]])
      await must(collections.publish(draftOf(...draft), 'ann'));
    expect(references.has(pump.entry.blob.digest)).toBe(false);
    for (const { entry } of [winch, wages]) expect(references.has(entry.blob.digest)).toBe(true);
  });

  it('[TRV12] shows nobody any longer what only its older snapshots had for everybody, and lets go of no other collection’s', async () => {
    const it = world();
    const { collections, references } = it;
    await it.put(pump, winch, wages);
    await must(
      collections.publish({ ...draftOf(pump, winch), collection: 'manuals.north' }, 'ann'),
    );
    const { digest } = winch.entry.blob;
    const north = references.owners(digest);
    const narrowed: Made = { ...winch, entry: { ...winch.entry, readers: ['boss'] } };
    for (const draft of [[winch], [narrowed], [narrowed, pump], [narrowed, wages]])
      await must(collections.publish(draftOf(...draft), 'ann'));
    const isOwn = (owner: string) => !north.includes(owner);
    const own = references.owners(digest).filter(isOwn);
    expect(own).toEqual(audiencesOf('manuals', ['boss']).slice(1));
    expect(references.owners(digest)).toEqual(expect.arrayContaining([...north]));
  });

  it('[TRV13] is told once it is signed, to whom it is meant for, to who comes later, and to nobody twice', async () => {
    const it = world();
    const { collections, holders, twins, patches } = it;
    await it.put(pump, winch);
    it.join('a', { site: 'north' });
    it.join('b', { site: 'south' });
    const one = await must(collections.publish(draftOf(pump), 'ann'));
    const north = { selection: { sites: ['north'] }, readers: ['boss'] };
    unwrap(await collections.subscribe('manuals', 'north', north, 'ann'));
    unwrap(await holders.turn());
    expect(patches).toEqual([]);
    it.sign(one);
    unwrap(await holders.turn());
    unwrap(await holders.turn());
    expect(patches).toEqual(['device/a']);
    expect(twins.get('device/a')?.['manuals']).toMatchObject({
      sequence: 1,
      target: one.target,
      manifest: one.snapshot.manifest.digest,
      readers: ['boss'],
      metadataBytes: 9,
    });
    it.join('c', { site: 'north' });
    const two = await must(collections.publish(draftOf(pump, winch), 'ann'));
    unwrap(await holders.turn());
    expect(patches).toEqual(['device/a', 'device/c']);
    expect(twins.get('device/c')?.['manuals']).toMatchObject({ sequence: 1 });
    it.sign(two);
    // After a restart, too.
    const again = it.open();
    unwrap(await again.holders.turn());
    expect(twins.get('device/a')?.['manuals']).toMatchObject({ sequence: 2 });
    expect(patches).toHaveLength(4);
    unwrap(await again.collections.subscribe('manuals', 'north', undefined, 'ann'));
    unwrap(await it.open().holders.turn());
    expect([twins.get('device/a'), twins.get('device/c')]).toEqual([{}, {}]);
    expect(await collections.subscribe('manuals', 'north', undefined, 'ann')).toMatchObject({
      error: { code: 'not_found' },
    });
    expect(await collections.subscribe('wages', 'all', everybody, 'ann')).toMatchObject({
      error: { code: 'not_found' },
    });
  });

  it('[TRV12] shows a device the blobs that its subscription may read; a site that it only claims grants nothing', async () => {
    const it = world();
    const { collections, holders } = it.open(true);
    await it.put(pump, wages);
    for (const device of ['a', 'b', 'c']) it.join(device, { site: 'office' });
    it.sites.set('a', 'office').set('b', 'north');
    it.sign(await must(collections.publish(draftOf(pump, wages), 'ann')));
    const office = { selection: { sites: ['office'] }, readers: ['boss'] };
    unwrap(await collections.subscribe('manuals', 'office', office, 'ann'));
    const north = { selection: { devices: ['b'] }, readers: [] };
    unwrap(await collections.subscribe('manuals', 'north', north, 'ann'));
    unwrap(await holders.turn());
    const kinds = async (device: string) =>
      Promise.all(
        [pump, wages].map(async ({ entry }) => {
          const held = unwrap(await it.sees(device, holders).holding(entry.blob.digest));
          return held.kind;
        }),
      );
    expect(await kinds('a')).toEqual(['whole', 'whole']);
    expect(await kinds('b')).toEqual(['whole', 'none']);
    expect(await kinds('c')).toEqual(['none', 'none']);
    const byLabel = { selection: { labels: ['boss'] }, readers: ['boss'] };
    expect(subscriptionOrderSchema.safeParse(byLabel).success).toBe(false);
    expect(await collections.subscribe('manuals', 'x', byLabel, 'ann')).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('[TRV15] is published from what a device offers where all of it is that device’s to see', async () => {
    const it = world();
    const { holders, collections } = it;
    await it.put(pump, wages);
    it.join('a');
    it.sign(await must(collections.publish(draftOf(pump), 'ann')));
    unwrap(await collections.subscribe('manuals', 'fleet', everybody, 'ann'));
    unwrap(await holders.turn());
    const store = (draft: SnapshotDraft) => {
      const bytes = new TextEncoder().encode(JSON.stringify(draft));
      const ref = { digest: sha256(bytes), bytes: bytes.length };
      const sees = it.sees('a', holders);
      const blobs = {
        holding: sees.holding,
        read: async (digest: string, at: number, length: number) =>
          digest === ref.digest ? ok(bytes) : sees.read(digest, at, length),
      };
      const offer = { draft: ref.digest, draftBytes: ref.bytes, documents: 1, bytes: 1 };
      return { blobs, offer };
    };
    const own = store(draftOf(pump));
    expect(await readOffer(own.blobs, 'manuals', own.offer)).toEqual({
      ok: true,
      value: draftOf(pump),
    });
    expect(await readOffer(own.blobs, 'wages', own.offer)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    const stolen = store(draftOf(wages));
    expect(await readOffer(stolen.blobs, 'manuals', stolen.offer)).toMatchObject({
      error: { code: 'unavailable' },
    });
    const answers = store({ ...draftOf(pump), answers: wages.entry.blob });
    expect(await readOffer(answers.blobs, 'manuals', answers.offer)).toMatchObject({
      error: { code: 'unavailable' },
    });
  });

  it('[TRV16] takes answers that were made before, and none that cites what not everybody may read', () => {
    const answers = (...uris: string[]) =>
      new TextEncoder().encode(JSON.stringify([{ citations: uris.map((uri) => ({ uri })) }]));
    const draft = draftOf(pump, wages);
    expect(refuseRestricted(draft, answers('pump.md')).ok).toBe(true);
    for (const wrong of [answers('pump.md', 'wages.md'), answers('gone.md'), answers()])
      expect(refuseRestricted(draft, wrong)).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  it('[TRV17] whose log has been folded is told to whom it was, and a signed snapshot stays, however old', async () => {
    const it = world();
    const { collections, twins, disk } = it;
    await it.put(pump, winch);
    it.join('a', { site: 'north' });
    const draft = (i: number) => (i % 2 === 0 ? draftOf(pump) : draftOf(winch));
    it.sign(await must(collections.publish(draft(0), 'ann')));
    const north = { selection: { sites: ['north'] }, readers: ['boss'] };
    unwrap(await collections.subscribe('manuals', 'north', north, 'ann'));
    unwrap(await it.holders.turn());
    const told = structuredClone(twins.get('device/a'));
    for (let i = 1; i <= snapshotsNamed + 1; i++) await must(collections.publish(draft(i), 'ann'));
    for (let i = 0; i < collectionEventsMax; i++)
      unwrap(await collections.subscribe('manuals', 'all', i % 2 ? undefined : everybody, 'ann'));
    expect(disk.logs.get('manuals')?.length).toBeLessThan(collectionEventsMax);
    const again = it.open();
    const state = unwrap(await again.collections.state('manuals'));
    expect(state.snapshots.map(({ sequence }) => sequence).slice(0, 2)).toEqual([1, 3]);
    expect(state.snapshots).toHaveLength(snapshotsNamed + 1);
    expect([...state.subscriptions.keys()]).toEqual(['north']);
    expect(again.collections.hasEnded()).toBe(true);
    unwrap(await again.holders.turn());
    expect(twins.get('device/a')).toEqual(told);
    const next = await must(again.collections.publish(draftOf(pump, winch), 'ann'));
    expect(next.snapshot.sequence).toBe(snapshotsNamed + 3);
  });

  it('[TRV17] whose events come to more than one may hold takes no more, but what ends a subscription', async () => {
    const it = world();
    const { collections, disk } = it;
    await it.put(pump);
    await must(collections.publish(draftOf(pump), 'ann'));
    unwrap(await collections.subscribe('manuals', 'all', everybody, 'ann'));
    const devices = Array.from({ length: 10_000 }, (_, i) => `${i}`.padEnd(60, 'x'));
    for (const id of ['many', 'more-of-them', 'others', 'the-rest'])
      unwrap(
        await collections.subscribe('manuals', id, { ...everybody, selection: { devices } }, 'ann'),
      );
    const [first = '', last = '', ...large] = disk.logs.get('manuals') ?? [];
    const lasts = new Array<string>(eventsHeldMax).fill(last);
    disk.logs.set('manuals', [first, ...large, ...lasts]);
    const again = it.open().collections;
    expect(await again.subscribe('manuals', 'more', everybody, 'ann')).toMatchObject({
      error: { code: 'too_large', message: expect.stringContaining('end subscriptions') },
    });
    unwrap(await again.subscribe('manuals', 'all', undefined, 'ann'));
    expect((await again.subscribe('manuals', 'more', everybody, 'ann')).ok).toBe(false);
    // What has just ended is among the latest events, and counts at once.
    unwrap(await again.subscribe('manuals', 'many', undefined, 'ann'));
    unwrap(await again.subscribe('manuals', 'more', everybody, 'ann'));
    expect(disk.logs.get('manuals')?.length).toBeLessThan(collectionEventsMax);
  });

  it('[TRV17] whose log had grown long before any was folded is folded, and takes what comes', async () => {
    const it = world();
    const { collections, disk } = it;
    await it.put(pump, winch);
    await must(collections.publish(draftOf(pump), 'ann'));
    unwrap(await collections.subscribe('manuals', 'all', everybody, 'ann'));
    const [first = '', last = ''] = disk.logs.get('manuals') ?? [];
    disk.logs.set('manuals', [first, ...new Array<string>(eventsHeldMax).fill(last)]);
    await must(it.open().collections.publish(draftOf(winch), 'ann'));
    expect(disk.logs.get('manuals')?.length).toBeLessThan(collectionEventsMax);
  });

  it('[TRV14] of the snapshots among the targets one before the newest stays, and what is no snapshot', () => {
    const target = (custom: Record<string, string | number>) => ({
      length: 1,
      hashes: { sha256: '0'.repeat(64) },
      custom,
    });
    const snapshot = (sequence: number, collection = 'manuals') =>
      target({ collection, sequence, root: `sha256:${'0'.repeat(64)}` });
    expect(snapshotTargetSchema.safeParse(snapshot(1).custom).success).toBe(true);
    const targets = {
      'collections/manuals/1.json': snapshot(1),
      'collections/manuals/2.json': snapshot(2),
      'collections/wages/1.json': snapshot(1, 'wages'),
      'digits/1.0.0/manifest.json': target({ model: 'digits' }),
    };
    const role = { _type: 'targets', spec_version: '1.0.31', version: 1, expires: '', targets };
    const draft = {
      versions: new Map(),
      targets: new Map([['targets', role]]),
    } as unknown as Draft;
    const third = ['collections/manuals/3.json', snapshot(3)] as const;
    const changed = unwrap(addSnapshot(draft, 'targets', third, 0));
    expect(Object.keys(changed.targets?.get('targets')?.targets ?? {}).sort()).toEqual([
      'collections/manuals/2.json',
      'collections/manuals/3.json',
      'collections/wages/1.json',
      'digits/1.0.0/manifest.json',
    ]);
  });
});
