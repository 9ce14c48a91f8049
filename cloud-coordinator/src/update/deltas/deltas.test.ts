import type { Manifest } from '@skerry/models';
import { applyDelta, encodeDelta } from '@skerry/models/delta';
import { readVariants, zooDirectory } from '@skerry/models/node';
import { defined, err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { audiences, storeBytes } from '@skerry/sync-protocol/blobs';
import { createMemoryBlobReferences, createMemoryBlobStore } from '@skerry/sync-protocol/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { createDeltas } from './deltas.ts';
import { planDeltas } from './plan-deltas.ts';

let manifest: Manifest;
let edge: Uint8Array;
beforeAll(async () => {
  const [bundle] = unwrap(await readVariants(`${zooDirectory}/digits`, ['edge']));
  manifest = defined(bundle, 'a variant').manifest;
  edge = defined(bundle?.stages.get('edge'), 'its stage');
});

/** The same model whose one variant's stages are these bytes. */
const withEdge = (bytes: Uint8Array): Manifest => {
  const [variant] = manifest.variants;
  const { name, files, ...rest } = defined(variant, 'a variant');
  const file = { path: 'edge.onnx', bytes: bytes.length, sha256: sha256(bytes) };
  return { ...manifest, variants: [{ ...rest, name, files: { ...files, edge: file } }] };
};
const changed = (at: number): Uint8Array => edge.map((byte, i) => (i === at ? byte ^ 1 : byte));

describe('planned deltas', () => {
  it('come from the commonest bundles, stage by stage, and end with the file by itself', () => {
    const target = withEdge(changed(9_000));
    const bases = [1, 2, 3, 4, 5].map((devices) => ({
      manifest: withEdge(changed(9_000 + devices)),
      devices,
    }));
    const wanted = planDeltas(target, bases, 32);
    expect(wanted.map(({ base }) => base?.digest)).toEqual([
      ...[5, 4, 3, 2].map((n) => sha256(changed(9_000 + n))),
      undefined,
    ]);
    expect(wanted.every((w) => w.target.digest === sha256(changed(9_000)))).toBe(true);
    expect(planDeltas(target, bases, 2)).toHaveLength(2);
    expect(planDeltas(target, [{ manifest: target, devices: 9 }], 9)).toHaveLength(1);
  });
});

describe('deltas that lie ready', () => {
  it('what throws while it prepares is told to its asker and the log, and tried again', async () => {
    const logged: string[] = [];
    let throws = 1;
    const deltas = createDeltas({
      blobs: createMemoryBlobStore(),
      references: createMemoryBlobReferences(),
      async manifestOf() {
        if (throws-- > 0) throw new Error('a bug');
        return ok(undefined);
      },
      running: async () => ok(new Map()),
      openDeltaMaker: () => ({
        make: async () => err(failure('internal', 'none')),
        close() {},
      }),
      log: { ...silentLog, error: (_, message) => logged.push(message) },
    });
    expect(await deltas.prepare('m', before)).toMatchObject({ error: { code: 'internal' } });
    expect(logged).toEqual(['a bug']);
    expect(await deltas.prepare('m', before)).toMatchObject({ error: { code: 'not_found' } });
  });

  const [before, after, lost] = ['a', 'b', 'c'].map((c) => `sha256:${c.repeat(64)}`) as [
    string,
    string,
    string,
  ];
  async function world(makeDelta = encodeDelta as (t: Uint8Array, b?: Uint8Array) => Uint8Array) {
    const blobs = createMemoryBlobStore();
    const references = createMemoryBlobReferences();
    const next = changed(9_000);
    for (const bytes of [edge, next])
      unwrap(await storeBytes(blobs, { digest: sha256(bytes), bytes: bytes.length }, bytes));
    let made = 0;
    let open = 0;
    const manifests = new Map([
      [before, withEdge(edge)],
      [after, withEdge(next)],
    ]);
    const deltas = createDeltas({
      blobs,
      references,
      manifestOf: async (_, bundle) => ok(manifests.get(bundle)),
      running: async () =>
        ok(
          new Map([
            [before, 7],
            [lost, 3],
          ]),
        ),
      openDeltaMaker() {
        open++;
        return {
          async make(target, base, digests) {
            made++;
            expect(digests).toEqual({ target: sha256(target), base: base && sha256(base) });
            try {
              return ok(makeDelta(target, base));
            } catch {
              return err(failure('internal', 'it died'));
            }
          },
          close() {
            open--;
          },
        };
      },
      log: silentLog,
    });
    return { blobs, references, deltas, next, made: () => made, open: () => open };
  }

  it('are blobs for all devices, each of which makes its target; twice at once is once', async () => {
    const { blobs, references, deltas, next, made, open } = await world();
    expect(deltas.offersTo(after)).toEqual([]);
    const [offers] = (
      await Promise.all([deltas.prepare('digits', after), deltas.prepare('digits', after)])
    ).map(unwrap);
    expect([made(), open()]).toEqual([2, 0]);
    expect(offers).toEqual(deltas.offersTo(after));
    const [delta, alone] = defined(offers, 'offers');
    expect(delta).toMatchObject({ form: 2, offer: { base: sha256(edge), target: sha256(next) } });
    expect(alone?.offer).not.toHaveProperty('base');
    for (const [made, base] of [
      [delta, edge],
      [alone, undefined],
    ] as const) {
      const { digest, bytes } = defined(made, 'an offer').offer.blob;
      const read = unwrap(await blobs.read(digest, 0, bytes));
      expect(Buffer.compare(unwrap(applyDelta(read, base)), next)).toBe(0);
      expect(references.owners(digest)).toEqual([audiences.deltas]);
    }
    unwrap(await deltas.prepare('digits', after));
    expect(made()).toBe(2);
  });

  it('are left out where they save nothing or cannot be made: the whole file serves', async () => {
    const large = await world((target) => target);
    expect(unwrap(await large.deltas.prepare('digits', after))).toEqual([]);
    const dying = await world(() => {
      throw new Error('out of memory');
    });
    expect(unwrap(await dying.deltas.prepare('digits', after))).toEqual([]);
    expect(await dying.deltas.prepare('digits', lost)).toMatchObject({
      error: { code: 'not_found' },
    });
    const tries = dying.made();
    unwrap(await dying.deltas.prepare('digits', after));
    expect(dying.made()).toBe(2 * tries);
  });
});
