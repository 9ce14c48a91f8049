// Snapshots as they travel: one form, pages that stay, and proofs that hold for what they are about alone.

import { sha256 } from '@skerry/shared/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkProof,
  composeSnapshot,
  decodeDocument,
  encodeDocument,
  entryLeaves,
  isFor,
  type PassageProof,
  passageLeaves,
  passagesRootOf,
  proveInclusion,
  readManifest,
  readPage,
  type SnapshotEntry,
  snapshotEntrySchema,
  type TravelDocument,
} from './index.ts';
import { merkleRoot, provesInclusion } from './merkle.ts';

const document = (text: string, dimensions = 0): TravelDocument => {
  const half = Math.ceil(text.length / 2);
  const spans = text.length > 1 ? [0, half, text.length] : [0, text.length];
  const passages = spans.slice(1).map((end, i) => ({
    start: spans[i] as number,
    end,
    heading: `part ${i}`,
    textDigest: sha256(new TextEncoder().encode(text.slice(spans[i], end))),
  }));
  const embedder = sha256(new Uint8Array(1));
  return {
    text,
    passages,
    vectors: dimensions === 0 ? null : { embedder, dimensions },
    halves: new Uint16Array(dimensions * passages.length).fill(0x3c00),
  };
};

const entryOf = (uri: string, readers: readonly string[] | null = null): SnapshotEntry => {
  const made = document(`all that ${uri} says`);
  const bytes = encodeDocument(made);
  return {
    uri,
    digest: sha256(new TextEncoder().encode(uri)),
    title: uri,
    trust: 1,
    readers: readers === null ? null : [...readers],
    meta: { b: '2', a: '1' },
    blob: { digest: sha256(bytes), bytes: bytes.length },
    passages: made.passages.length,
    passagesRoot: passagesRootOf(made, sha256),
  };
};

const compose = (documents: readonly SnapshotEntry[]) => {
  const draft = { collection: 'manuals', vectors: null, documents: [...documents] };
  const composed = composeSnapshot(draft, undefined, sha256);
  if (!composed.ok) throw new Error(composed.error.message);
  return composed.value;
};
const many = (count: number) => Array.from({ length: count }, (_, i) => entryOf(`page-${i}.md`));

describe('a snapshot', () => {
  it('[TRV1] is named by what it holds, in whatever order it comes: a change makes another root, and one other page', () => {
    const documents = many(300);
    const first = compose(documents);
    const again = compose([...documents].reverse());
    expect(again.manifest).toEqual(first.manifest);
    expect(first.manifest.pages.length).toBeGreaterThan(3);
    const changed = documents.map((entry, i) => (i === 150 ? { ...entry, trust: 0.5 } : entry));
    const next = compose(changed);
    expect(next.manifest.root).not.toBe(first.manifest.root);
    const known = new Set(first.pages.keys());
    expect([...next.pages.keys()].filter((digest) => !known.has(digest))).toHaveLength(1);
    const without = compose(documents.filter((_, i) => i !== 150));
    const fresh = [...without.pages.keys()].filter((digest) => !known.has(digest));
    expect(fresh.length).toBeLessThanOrEqual(2);
  });

  it('[TRV1] names no blob that is longer than a device reads whole, and no page', () => {
    const huge = entryOf('huge.md');
    const blob = { ...huge.blob, bytes: 2 ** 30 };
    expect(snapshotEntrySchema.safeParse(huge).success).toBe(true);
    expect(snapshotEntrySchema.safeParse({ ...huge, blob }).success).toBe(false);
    const meta = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, i) => [`key-${i}`, 'x'.repeat(256)]),
    );
    const draft = { collection: 'manuals', vectors: null, documents: [{ ...huge, meta }] };
    expect(composeSnapshot(draft, undefined, sha256)).toMatchObject({
      error: { code: 'too_large' },
    });
  });

  it('[TRV1] is what its digests say: a page of another access list, of another length, or changed, is none', () => {
    const { manifest, manifestBytes, pages } = compose([...many(3), entryOf('wages.md', ['boss'])]);
    expect(readManifest(manifestBytes, sha256)).toEqual({ ok: true, value: manifest });
    const changed = { ...manifest, pages: manifest.pages.slice(1) };
    const bytes = new TextEncoder().encode(JSON.stringify(changed));
    expect(readManifest(bytes, sha256)).toMatchObject({ error: { code: 'malformed_message' } });
    for (const ref of manifest.pages) {
      const page = pages.get(ref.page.digest) as Uint8Array;
      expect(readPage(page, ref, sha256).ok).toBe(true);
      for (const wrong of [{ readers: ['x'] }, { documents: 99 }, { root: manifest.root }])
        expect(readPage(page, { ...ref, ...wrong }, sha256).ok).toBe(false);
    }
  });

  it('[TRV2] keeps access lists apart: no page has documents of two, and whoever may act for none of a list has nothing of it', () => {
    const { manifest, pages } = compose([
      entryOf('a.md'),
      entryOf('b.md', ['boss', 'clerk']),
      entryOf('c.md', ['clerk', 'boss', 'clerk']),
      entryOf('d.md', ['boss']),
    ]);
    expect(manifest.pages.map(({ readers }) => readers)).toEqual([
      ['boss', 'clerk'],
      ['boss'],
      null,
    ]);
    const open = manifest.pages.filter(({ readers }) => isFor(readers, ['clerk']));
    const texts = open.map(({ page }) => new TextDecoder().decode(pages.get(page.digest)));
    expect(texts.join()).not.toContain('d.md');
    expect(
      new TextDecoder().decode(compose([entryOf('d.md', ['boss'])]).manifestBytes),
    ).not.toContain('d.md');
  });
});

describe('a document’s bytes', () => {
  it('[TRV3] are the same for the same document, and come back as they were', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), fc.nat(3), (text, dimensions) => {
        const made = document(text, dimensions);
        const read = decodeDocument(encodeDocument(made));
        if (!read.ok || /\p{Surrogate}/u.test(text)) return;
        expect(read.value).toEqual(made);
        expect(encodeDocument(read.value)).toEqual(encodeDocument(made));
      }),
      { numRuns: 100 },
    );
  });

  it('[TRV3] are refused where anything of them is off, and no bytes make the reader throw', () => {
    const good = encodeDocument(document('one two', 4));
    expect(decodeDocument(good).ok).toBe(true);
    const infinite = good.slice();
    infinite.set([0, 0x7c], good.length - 2);
    for (const bad of [good.slice(0, -2), good.slice(1), new Uint8Array(), infinite])
      expect(decodeDocument(bad)).toMatchObject({ error: { code: 'malformed_message' } });
    const gap = document('one two');
    const passages = gap.passages.map((each, i) => ({ ...each, start: each.start + i }));
    expect(decodeDocument(encodeDocument({ ...gap, passages })).ok).toBe(false);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const flipped = good.slice();
        flipped[at] = byte;
        decodeDocument(flipped);
      }),
    );
  });
});

describe('a proof', () => {
  it('[TRV4] holds for each leaf of a list of any length, and for no other leaf, place or list', () => {
    for (const size of [1, 2, 3, 7, 8, 9, 33]) {
      const leaves = Array.from({ length: size }, (_, i) => `leaf ${i}`);
      const root = merkleRoot(leaves, sha256);
      for (const [index, leaf] of leaves.entries()) {
        const proof = proveInclusion(leaves, index, sha256);
        expect(provesInclusion(leaf, proof, root, sha256)).toBe(true);
        expect(provesInclusion('another', proof, root, sha256)).toBe(false);
        expect(provesInclusion(leaf, { ...proof, index: index + 1 }, root, sha256)).toBe(false);
        expect(
          provesInclusion(leaf, { ...proof, hashes: [root, ...proof.hashes] }, root, sha256),
        ).toBe(false);
      }
    }
    // RFC 6962 §2.1: the hash of nothing, and the known hash of one empty leaf.
    expect(merkleRoot([''], sha256)).toBe(
      'sha256:6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
  });

  it('[TRV4] leads from a passage to the manifest that is signed; one word, or another manifest, and it does not', () => {
    const entries = [...many(40), entryOf('wages.md', ['boss'])];
    const { manifest, manifestBytes, pages } = compose(entries);
    const made = document('all that page-7.md says');
    const page = manifest.pages.findIndex(({ page: { digest } }) =>
      new TextDecoder().decode(pages.get(digest)).includes('"page-7.md"'),
    );
    const ref = manifest.pages[page] as (typeof manifest.pages)[number];
    const read = readPage(pages.get(ref.page.digest) as Uint8Array, ref, sha256);
    if (!read.ok) throw new Error(read.error.message);
    const at = read.value.documents.findIndex(({ uri }) => uri === 'page-7.md');
    const { start, end, heading } = made.passages[1] as (typeof made.passages)[number];
    const proof: PassageProof = {
      manifest: new TextDecoder().decode(manifestBytes),
      page,
      entry: read.value.documents[at] as SnapshotEntry,
      entryIn: proveInclusion(entryLeaves(read.value), at, sha256),
      passage: { ordinal: 1, start, end, heading, text: made.text.slice(start, end) },
      passageIn: proveInclusion(passageLeaves(made), 1, sha256),
    };
    const digest = sha256(manifestBytes);
    expect(checkProof(proof, digest, sha256)).toEqual({ ok: true, value: manifest });
    const passage = { ...proof.passage, text: 'something else' };
    const entry = { ...proof.entry, trust: 0 };
    for (const forged of [{ passage }, { entry }, { page: 0 }, { page: 99 }])
      expect(checkProof({ ...proof, ...forged }, digest, sha256)).toMatchObject({
        error: { code: 'untrusted' },
      });
    expect(checkProof(proof, sha256(new Uint8Array()), sha256).ok).toBe(false);
  });
});
