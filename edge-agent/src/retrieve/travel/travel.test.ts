// Collections that come from the cloud, to one device: a cloud of a few lines that signs nothing but says what it would.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { type BlobRef, blobRefSchema } from '@skerry/sync-protocol/blobs';
import {
  checkProof,
  composeSnapshot,
  decodeDocument,
  encodeDocument,
  type FollowReport,
  followReportSchema,
  type Offer,
  type SnapshotDraft,
  type Subscription,
  snapshotTargetPath,
} from '@skerry/sync-protocol/collections';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../../adapters/direct-collections.ts';
import { openTestLibrary } from '../../testing/cached-library.ts';
import { sampleDocument as document } from '../../testing/sample-document.ts';
import { createWordEmbedder } from '../../testing/word-embedder.ts';
import { askLibrary } from '../ask.ts';
import { keepPushed } from '../cache/keep-pushed.ts';
import { eraseDocument, type QuotingStore } from '../erase-document.ts';
import { createLibrary } from '../library.ts';
import type { TextEmbedder } from '../text-embedder.ts';
import { exportCollection, exportDocument } from './export-collection.ts';
import { createFollowing } from './follow-collections.ts';
import { startOffers } from './offer-collections.ts';
import { provePassage } from './prove-passage.ts';
import type { CollectionTrust, TakePorts } from './take-snapshot.ts';

const anybody = { principals: [] };

function openLibrary(folder = ':memory:', embedder?: TextEmbedder) {
  const collections = createDirectCollections({ folder, embedder });
  onTestFinished(() => collections.close());
  const clock = createVirtualClock();
  return createLibrary({ collections, embedder, digestOf: sha256, clock, log: silentLog });
}

const pump = document('pump.md', 'The pump is bled at the brass valve above the motor.');
const winch = document('winch.md', 'The winch pulls four tonnes with two layers of rope.');
const wages = document('wages.md', 'The mechanic is paid nine crowns an hour.', {
  readers: ['boss'],
});

/** An author's agent, whose collection is published as often as it is told to. */
function openCloud(embedder: TextEmbedder | undefined = createWordEmbedder()) {
  const author = openLibrary(':memory:', embedder);
  const blobs = new Map<string, Uint8Array>();
  const signed = new Map<
    string,
    { digest: string; bytes: number; sequence: number; root: string }
  >();
  let before: { sequence: number; manifest: string } | undefined;
  const ports = { library: author, digestOf: sha256 };
  return {
    author,
    blobs,
    signed,
    async publish(
      readers: readonly string[] = [],
      answers?: BlobRef,
      altered = (own: SnapshotDraft): SnapshotDraft => own,
    ): Promise<Subscription> {
      const own = altered(unwrap(await exportCollection(ports, 'manuals')));
      const draft = answers === undefined ? own : { ...own, answers };
      const composed = unwrap(composeSnapshot(draft, before, sha256));
      for (const { uri, blob } of draft.documents)
        blobs.set(
          blob.digest,
          unwrap(await exportDocument(ports, 'manuals', uri)) as Uint8Array<ArrayBuffer>,
        );
      for (const [digest, page] of composed.pages) blobs.set(digest, page);
      const manifest = sha256(composed.manifestBytes);
      blobs.set(manifest, composed.manifestBytes);
      const { sequence, root } = composed.manifest;
      before = { sequence, manifest };
      const target = snapshotTargetPath('manuals', sequence);
      const bytes = composed.manifestBytes.length;
      signed.set(target, { digest: manifest, bytes, sequence, root });
      return { sequence, target, manifest, manifestBytes: bytes, readers: [...readers] };
    },
  };
}

/** As a merge patch leaves it (RFC 7396), at whatever depth. */
const withoutNulls = <T extends object>(json: T): T =>
  JSON.parse(
    JSON.stringify(json, (_, each) =>
      each !== null && typeof each === 'object' && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).filter(([, field]) => field !== null))
        : each,
    ),
  ) as T;

type Cloud = ReturnType<typeof openCloud>;

function openDevice(
  cloud: Cloud,
  library = openLibrary(':memory:', createWordEmbedder()),
  answers?: TakePorts['answers'],
) {
  const clock = createVirtualClock();
  const fetched: BlobRef[] = [];
  const forgotten: string[] = [];
  const taken = new Map<string, number>();
  const disk = { isFull: false };
  const trust: CollectionTrust = {
    refresh: async () => ok(undefined),
    async snapshot(path) {
      const found = cloud.signed.get(path);
      if (found === undefined) return err(failure('not_found', `nobody has signed ${path}`));
      const { digest, bytes, sequence, root } = found;
      if (sequence < (taken.get('manuals') ?? 0)) return err(failure('untrusted', 'it goes back'));
      return ok({ digest, bytes, custom: { collection: 'manuals', sequence, root }, evidence: {} });
    },
    async snapshotTaken(collection, sequence) {
      if (disk.isFull) return err(failure('storage_failed', 'the disk is full'));
      taken.set(collection, sequence);
      return ok(undefined);
    },
    verifySnapshot: async () => err(failure('untrusted', 'not here')),
  };
  let value: { desired: object; reported: { collections?: Record<string, FollowReport | null> } } =
    {
      desired: {},
      reported: {},
    };
  const view = () => ({
    document: 'device/d',
    epoch: 1,
    version: 1,
    heads: [],
    value,
    conflicts: {},
  });
  const following = createFollowing({
    library,
    trust,
    answers,
    blobs: {
      async fetch(ref) {
        // As transfers do: nothing else is said of a blob.
        blobRefSchema.parse(ref);
        if (!cloud.blobs.has(ref.digest)) return err(failure('not_found', 'no such blob'));
        fetched.push(ref);
        return ok(undefined);
      },
      read: async (digest) => ok(cloud.blobs.get(digest) as Uint8Array),
      drop() {},
      release: async () => ok(undefined),
    },
    quoting: [
      {
        async forget({ uri }) {
          forgotten.push(uri);
          return ok([]);
        },
      },
    ],
    twin: {
      read: async () => ok(view() as never),
      async patch(patch) {
        const { reported } = structuredClone(patch) as typeof value;
        const reports = { ...value.reported.collections, ...reported.collections };
        value = { ...value, reported: { collections: withoutNulls(reports) } };
        following.twinChanged();
        return ok(view() as never);
      },
    },
    digestOf: sha256,
    nowMs: clock.nowMs,
    clock,
    log: silentLog,
  });
  onTestFinished(() => following.close());
  return {
    library,
    clock,
    fetched,
    forgotten,
    taken,
    disk,
    /** Of others beside it, too. */
    wantAll(collections: Readonly<Record<string, Subscription>>) {
      value = { ...value, desired: { collections } };
      following.wake();
      return following.idle();
    },
    reports: () => value.reported.collections ?? {},
    async want(subscription: Subscription | undefined) {
      const collections = subscription === undefined ? {} : { manuals: subscription };
      value = { ...value, desired: { collections } };
      fetched.length = 0;
      following.wake();
      await following.idle();
      const report = value.reported.collections?.['manuals'];
      return report && followReportSchema.parse(report);
    },
    async found(text: string, principals: string[] = []) {
      const reader = { principals };
      const asked = { collections: ['manuals'], text, count: 5, reader };
      const outcome = await library.search(asked);
      return outcome.ok
        ? { ...outcome.value, uris: outcome.value.found.map(({ passage }) => passage.uri) }
        : outcome.error;
    },
  };
}

describe('a collection of this device’s own', () => {
  it('[TRV15] goes up where it is offered: each document once, and what changed when it has', async () => {
    const library = openLibrary(':memory:', createWordEmbedder());
    for (const each of [pump, winch]) unwrap(await library.add('manuals', each));
    unwrap(await library.add('diary', wages));
    const sent = new Map<string, Uint8Array>();
    const said: unknown[] = [];
    const offers = startOffers(['manuals', 'nothing'], {
      library,
      digestOf: sha256,
      blobs: {
        async sendUp({ digest }, bytes) {
          expect(sent.has(digest)).toBe(false);
          expect(sha256(bytes)).toBe(digest);
          sent.set(digest, bytes);
          return ok(undefined);
        },
      },
      twin: {
        async patch(patch) {
          said.push(patch);
          return ok({} as never);
        },
      },
      clock: createVirtualClock(),
      log: silentLog,
    });
    onTestFinished(() => offers.close());
    await offers.look();
    await offers.look();
    expect(sent.size).toBe(3);
    const [{ reported }] = said as [{ reported: { offers: { manuals: Offer } } }];
    expect(said).toHaveLength(1);
    const { draft, documents } = reported.offers.manuals;
    expect(documents).toBe(2);
    const ports = { library, digestOf: sha256 };
    expect(JSON.parse(new TextDecoder().decode(sent.get(draft)))).toEqual(
      unwrap(await exportCollection(ports, 'manuals')),
    );
    unwrap(await library.add('manuals', document('winch.md', 'The winch pulls five tonnes.')));
    await offers.look();
    expect([sent.size, said.length]).toEqual([5, 2]);
    expect([...sent.values()].map((each) => new TextDecoder().decode(each)).join()).not.toContain(
      'crowns',
    );
  });
});

describe('a collection of the cloud’s', () => {
  it('[TRV16] brings answers that were made before to whoever keeps them, says what became of them, and stands without', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const bytes = new TextEncoder().encode(JSON.stringify([{ question: 'bled?' }]));
    const answers = { digest: sha256(bytes), bytes: bytes.length };
    cloud.blobs.set(answers.digest, bytes);
    const subscription = await cloud.publish([], answers);
    const kept: unknown[] = [];
    const keeping = openDevice(cloud, undefined, async (collection, came) => {
      kept.push([collection, came]);
      return ok('1 kept');
    });
    expect(await keeping.want(subscription)).toMatchObject({ state: 'held', answers: '1 kept' });
    expect(kept).toEqual([['manuals', [{ question: 'bled?' }]]]);
    const none = openDevice(cloud);
    expect(await none.want(subscription)).toMatchObject({
      state: 'held',
      answers: expect.stringContaining('refused'),
    });
  });

  it('[TRV17] has the answers that came with it also where a crash kept them from it', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const bytes = new TextEncoder().encode('[]');
    const answers = { digest: sha256(bytes), bytes: bytes.length };
    cloud.blobs.set(answers.digest, bytes);
    const subscription = await cloud.publish([], answers);
    const crashed = openDevice(cloud);
    await crashed.want(subscription);
    // What stands, and nobody was told: no report is in the next one's twin.
    const kept: unknown[] = [];
    const next = openDevice(cloud, crashed.library, async (collection) => {
      kept.push(collection);
      return ok('0 kept');
    });
    const moved = { movedBytes: bytes.length, savedBytes: 0, embedded: 0 };
    const report = { state: 'held', sequence: 1, answers: '0 kept', ...moved };
    expect(await next.want(subscription)).toMatchObject(report);
    expect(next.fetched).toEqual([answers]);
    expect(await next.want(subscription)).toMatchObject(report);
    expect(kept).toEqual(['manuals']);
  });

  it('[CAC7] answers at once what its snapshot brought an answer to, until the next one, or none, is wanted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-travel-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const cached = await openTestLibrary({ folder });
    onTestFinished(cached.close);
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const device = openDevice(cloud, cached.library, keepPushed(cached.precomputed));
    const question = 'How is the quinquagesimal pump bled?';
    const { uri, digest, text } = pump;
    const place = { uri, digest, start: 0, end: text.length, text };
    const answer = { question, text: 'At its brass valve.', source: 'big', citations: [place] };
    const wrong = { ...answer, citations: [{ ...place, text: 'At the red valve.' }] };
    const withAnswers = (answers: unknown) => {
      const bytes = new TextEncoder().encode(JSON.stringify(answers));
      cloud.blobs.set(sha256(bytes), bytes);
      return cloud.publish([], { digest: sha256(bytes), bytes: bytes.length });
    };
    const look = async () => {
      const asked = { question, collections: ['manuals'], reader: anybody };
      return (await cached.cache.look({ ...asked, answerModel: undefined })).recall;
    };
    const remembered = () =>
      readdirSync(folder)
        .filter((name) => name.startsWith('caches.db'))
        .map((name) => readFileSync(join(folder, name), 'latin1'))
        .join();

    const first = await withAnswers([answer, { ...wrong, question: 'Which valve?' }]);
    expect(await device.want(first)).toMatchObject({
      state: 'held',
      answers: expect.stringMatching(/^1 kept, 1 refused; answer 1: pump.md does not say that/),
    });
    const given = { text: answer.text, citations: [{ uri, verified: true }] };
    expect(await look()).toMatchObject({
      answer: { said: given },
      recalled: { cache: 'precomputed', source: 'big' },
    });

    const changed = await withAnswers([{ ...answer, text: 'By its valve.' }]);
    expect(await device.want(changed)).toMatchObject({ answers: '1 kept' });
    expect(await look()).toMatchObject({ answer: { said: { text: 'By its valve.' } } });
    const malformed = await withAnswers([answer, { question }]);
    expect(await device.want(malformed)).toMatchObject({
      state: 'held',
      answers: expect.stringMatching(/^refused: answers: 1\./),
    });
    expect(await look()).toBeUndefined();

    await device.want(await withAnswers([answer]));
    expect(await look()).toBeDefined();
    expect(remembered()).toContain('quinquagesimal');
    expect(await device.want(undefined)).toBeUndefined();
    expect(await look()).toBeUndefined();
    expect(remembered()).not.toContain('quinquagesimal');
  });

  it('[TRV5] comes with its vectors, answers, and names the snapshot that it answers from; a passage of it is proven up to what was signed', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    unwrap(await cloud.author.add('manuals', winch));
    const first = await cloud.publish();
    const embedder = createWordEmbedder();
    const device = openDevice(cloud, openLibrary(':memory:', embedder));
    expect(await device.want(first)).toMatchObject({
      state: 'held',
      sequence: 1,
      documents: 2,
      embedded: 0,
      savedBytes: 0,
    });
    expect(embedder.embedded).toEqual([]);
    const question = 'Where is the pump bled?';
    const asked = { question, collections: ['manuals'], reader: anybody };
    const answer = unwrap(await askLibrary(device.library, asked));
    expect(answer.text).toContain('brass valve');
    expect(answer.mode).toBe('hybrid');
    const { target, manifest } = first;
    const root = cloud.signed.get(target)?.root;
    expect(answer.published).toEqual([
      { collection: 'manuals', sequence: 1, root, target, manifest },
    ]);
    const [{ uri, start }] = answer.citations as [(typeof answer.citations)[0]];
    const ports = { ...device.library, digestOf: sha256 };
    const proven = unwrap(
      await provePassage(ports, { collection: 'manuals', uri, start }, anybody),
    );
    expect(proven.proof.passage.text).toContain('brass valve');
    expect(checkProof(proven.proof, manifest, sha256)).toMatchObject({ value: { root } });
    const words = { ...proven.proof.passage, text: 'The pump is bled at the red valve.' };
    expect(checkProof({ ...proven.proof, passage: words }, manifest, sha256).ok).toBe(false);
  });

  it('[TRV8] costs what differs: what is here is not fetched again, and terms alone move no document', async () => {
    const cloud = openCloud();
    for (const each of [pump, winch]) unwrap(await cloud.author.add('manuals', each));
    const device = openDevice(cloud);
    await device.want(await cloud.publish());
    const changed = document('winch.md', 'The winch pulls five tonnes since it was mended.');
    unwrap(await cloud.author.add('manuals', changed));
    const second = await cloud.publish();
    const report = await device.want(second);
    expect(report).toMatchObject({ state: 'held', sequence: 2 });
    expect(report?.savedBytes).toBeGreaterThan(100);
    expect(report?.movedBytes).toBe(device.fetched.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(device.fetched).toHaveLength(3);
    expect(await device.found('winch tonnes')).toMatchObject({
      uris: expect.arrayContaining(['winch.md']),
      found: expect.arrayContaining([
        expect.objectContaining({ passage: expect.objectContaining({ text: changed.text }) }),
      ]),
    });
    unwrap(await cloud.author.add('manuals', { ...changed, trust: 0.5 }));
    await device.want(await cloud.publish());
    expect(device.fetched).toHaveLength(2);
    const found = await device.found('winch tonnes');
    expect(found).toMatchObject({ found: [{ passage: { uri: 'winch.md', trust: 0.5 } }, {}] });
  });

  it('[TRV2] brings what its subscription may read, nothing of the rest, and both change with it', async () => {
    const cloud = openCloud();
    for (const each of [pump, wages]) unwrap(await cloud.author.add('manuals', each));
    const device = openDevice(cloud);
    const everybody = await cloud.publish();
    expect(await device.want(everybody)).toMatchObject({ state: 'held', documents: 1 });
    expect(await device.found('paid crowns', ['boss'])).toMatchObject({ uris: ['pump.md'] });
    const boss = { ...everybody, readers: ['boss'] };
    expect(await device.want(boss)).toMatchObject({ state: 'held', documents: 2 });
    expect(await device.found('paid crowns', ['boss'])).toMatchObject({
      uris: expect.arrayContaining(['wages.md']),
    });
    expect(await device.found('paid crowns')).toMatchObject({ uris: ['pump.md'] });
    expect(await device.want(everybody)).toMatchObject({ documents: 1 });
    expect(device.forgotten).toEqual(['wages.md']);
  });

  it('[TRV6] stands as it was where the next one is bad, says why, and takes it once it is good', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const device = openDevice(cloud);
    const first = await cloud.publish();
    await device.want(first);
    unwrap(await cloud.author.add('manuals', winch));
    const second = await cloud.publish();
    const draft = unwrap(
      await exportCollection({ library: cloud.author, digestOf: sha256 }, 'manuals'),
    );
    const { blob } = draft.documents.find(({ uri }) => uri === 'winch.md') as {
      blob: BlobRef;
    };
    const good = cloud.blobs.get(blob.digest) as Uint8Array;
    const stands = { state: 'refused', sequence: 1, documents: 1 };
    const evil = good.slice();
    evil[40] = (evil[40] as number) ^ 1;
    cloud.blobs.set(blob.digest, evil);
    expect(await device.want(second)).toMatchObject({
      ...stands,
      reason: expect.stringContaining('digest_mismatch: winch.md'),
    });
    expect(await device.found('pump')).toMatchObject({ published: [{ sequence: 1 }] });
    cloud.blobs.delete(blob.digest);
    expect(await device.want(second)).toMatchObject({
      ...stands,
      reason: expect.stringContaining('not_found'),
    });
    const unsigned = { ...second, target: 'collections/manuals/9.json' };
    expect(await device.want(unsigned)).toMatchObject(stands);
    const swapped = { ...second, manifest: first.manifest, readers: ['x'] };
    expect(await device.want(swapped)).toMatchObject({
      ...stands,
      reason: expect.stringContaining('untrusted'),
    });
    cloud.blobs.set(blob.digest, good);
    expect(await device.want(second)).toMatchObject({ state: 'held', sequence: 2, reason: null });
    // And never back.
    expect(await device.want(first)).toMatchObject({
      state: 'refused',
      sequence: 2,
      reason: expect.stringContaining('goes back'),
    });
  });

  it('[TRV6] is its snapshot and nothing else: nobody here adds to it, restores in it, or takes from it', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const embedder = createWordEmbedder();
    const device = openDevice(cloud, openLibrary(':memory:', embedder));
    await device.want(await cloud.publish());
    const embedded = embedder.embedded.length;
    const refused = { error: { code: 'invalid_argument' } };
    expect(await device.library.add('manuals', winch)).toMatchObject(refused);
    expect(embedder.embedded).toHaveLength(embedded);
    const { collections } = device.library;
    const forgotten: string[] = [];
    const store: QuotingStore = {
      async forget({ uri }) {
        forgotten.push(uri);
        return ok([]);
      },
    };
    const erasing = { collections, quoting: [store], nowMs: () => 0 };
    expect(await eraseDocument(erasing, 'manuals', 'pump.md')).toMatchObject(refused);
    expect(forgotten).toEqual([]);
    const thread = unwrap(await collections.open('manuals'));
    expect(await thread.remove('pump.md')).toMatchObject(refused);
    expect(await thread.restore('pump.md', 1)).toMatchObject(refused);
    const ports = { library: device.library, digestOf: sha256 };
    expect(await exportCollection(ports, 'manuals')).toMatchObject(refused);
  });

  it('[TRV7] is written down as taken before it stands: what is not does not stand', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const device = openDevice(cloud);
    const first = await cloud.publish();
    await device.want(first);
    unwrap(await cloud.author.add('manuals', winch));
    const second = await cloud.publish();
    device.disk.isFull = true;
    expect(await device.want(second)).toMatchObject({ sequence: 1, documents: 1 });
    expect(await device.found('winch')).toMatchObject({ uris: ['pump.md'] });
    device.disk.isFull = false;
    expect(await device.want(second)).toMatchObject({ state: 'held', sequence: 2 });
    expect(device.taken.get('manuals')).toBe(2);
  });

  it('[TRV3] is refused where a vector is longer than 1: it would be the nearest of every question', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const ports = { library: cloud.author, digestOf: sha256 };
    const bytes = unwrap(await exportDocument(ports, 'manuals', 'pump.md')) as Uint8Array;
    const honest = unwrap(decodeDocument(bytes));
    // 2, in half precision.
    const evil = encodeDocument({ ...honest, halves: honest.halves.map(() => 0x4000) });
    const blob = { digest: sha256(evil), bytes: evil.length };
    const subscription = await cloud.publish([], undefined, (draft) => ({
      ...draft,
      documents: draft.documents.map((entry) => ({ ...entry, blob })),
    }));
    cloud.blobs.set(blob.digest, evil);
    expect(await openDevice(cloud).want(subscription)).toMatchObject({
      state: 'refused',
      documents: 0,
      reason: expect.stringContaining('longer than 1'),
    });
  });

  it('[TRV6] that stands stays where the twin names more than a device follows, and it is said', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const device = openDevice(cloud);
    const subscription = await cloud.publish();
    await device.want(subscription);
    const others = Array.from({ length: 64 }, (_, i) => [`other-${i}`, subscription] as const);
    await device.wantAll({ ...Object.fromEntries(others), manuals: subscription });
    expect(device.reports()['manuals']).toMatchObject({
      state: 'refused',
      documents: 1,
      reason: expect.stringContaining('more than 64'),
    });
    expect(await device.found('pump')).toMatchObject({ uris: ['pump.md'] });
  });

  it('[TRV1] is not fetched where its manifest is longer than one may be', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const subscription = await cloud.publish();
    const { target } = subscription;
    const signed = cloud.signed.get(target);
    cloud.signed.set(target, { ...(signed as NonNullable<typeof signed>), bytes: 2 ** 30 });
    const device = openDevice(cloud);
    expect(await device.want(subscription)).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('too_large'),
    });
    expect(device.fetched).toEqual([]);
  });

  it('[TRV6] does not take the place of a collection of this device’s own', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const device = openDevice(cloud);
    unwrap(await device.library.add('manuals', winch));
    expect(await device.want(await cloud.publish())).toMatchObject({
      state: 'refused',
      sequence: null,
      reason: expect.stringContaining('own is named manuals'),
    });
    expect(await device.want(undefined)).toBeUndefined();
    expect(await device.found('winch')).toMatchObject({ uris: ['winch.md'] });
  });

  it('[TRV9] goes with its bytes, and with what quotes it, when nobody wants it any more', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-travel-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const cloud = openCloud();
    for (const each of [pump, winch]) unwrap(await cloud.author.add('manuals', each));
    const device = openDevice(cloud, openLibrary(folder, createWordEmbedder()));
    await device.want(await cloud.publish());
    const bytes = () =>
      readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    expect(bytes().join()).toContain('brass valve');
    const thread = unwrap(await cloud.author.collections.open('manuals'));
    unwrap(await thread.remove('pump.md'));
    expect(await device.want(await cloud.publish())).toMatchObject({ documents: 1 });
    expect(device.forgotten).toEqual(['pump.md']);
    expect(bytes().join()).not.toContain('brass valve');
    expect(bytes().join()).toContain('four tonnes');
    expect(await device.want(undefined)).toBeUndefined();
    expect(bytes()).toEqual([]);
    expect(device.forgotten).toEqual(['pump.md', 'winch.md']);
    expect(await device.found('winch')).toMatchObject({ code: 'not_found' });
  });

  it('[TRV10] of another embedder’s is embedded here, and says so; without one it is found by its words', async () => {
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const subscription = await cloud.publish();
    const other = { ...createWordEmbedder(96), digest: `sha256:${'a'.repeat(64)}` };
    const device = openDevice(cloud, openLibrary(':memory:', other));
    expect(await device.want(subscription)).toMatchObject({ state: 'held', embedded: 1 });
    expect(await device.found('pump valve')).toMatchObject({ mode: 'hybrid', uris: ['pump.md'] });
    const small = openDevice(cloud, openLibrary());
    expect(await small.want(subscription)).toMatchObject({ state: 'held', embedded: 0 });
    expect(await small.found('pump valve')).toMatchObject({ mode: 'words', uris: ['pump.md'] });
  });

  it('[TRV18] that came without an embedder is fetched again by no one whose vectors it has, and by any other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-travel-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const cloud = openCloud();
    for (const each of [pump, winch]) unwrap(await cloud.author.add('manuals', each));
    const subscription = await cloud.publish();
    const at = async (embedder?: TextEmbedder) => {
      const library = openLibrary(folder, embedder);
      const device = openDevice(cloud, library);
      const before = await device.found('pump valve');
      const report = await device.want(subscription);
      const fetched = device.fetched.length;
      await library.collections.close();
      return { before, report, fetched };
    };
    const first = await at();
    expect(first).toMatchObject({ report: { state: 'held' } });
    expect(first.fetched).toBeGreaterThan(2);
    const own = createWordEmbedder();
    expect(await at()).toMatchObject({ before: { mode: 'words' }, fetched: 0 });
    expect(await at(own)).toMatchObject({
      before: { mode: 'hybrid', uris: expect.arrayContaining(['pump.md', 'winch.md']) },
      report: { state: 'held', movedBytes: 0, embedded: 0 },
      fetched: 0,
    });
  });

  it('[TRV18] whose kept vectors are another’s is found by its words until it has come again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-travel-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const cloud = openCloud();
    unwrap(await cloud.author.add('manuals', pump));
    const subscription = await cloud.publish();
    const bare = openLibrary(folder);
    await openDevice(cloud, bare).want(subscription);
    await bare.collections.close();
    const other = { ...createWordEmbedder(96), digest: `sha256:${'a'.repeat(64)}` };
    const device = openDevice(cloud, openLibrary(folder, other));
    expect(await device.found('pump valve')).toMatchObject({ uris: ['pump.md'] });
    expect(await device.want(subscription)).toMatchObject({ state: 'held', embedded: 1 });
    expect(await device.found('pump valve')).toMatchObject({ mode: 'hybrid', uris: ['pump.md'] });
  });
});
