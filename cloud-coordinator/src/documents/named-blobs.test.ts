import { err, failure, ok, silentLog } from '@skerry/shared';
import { audiences } from '@skerry/sync-protocol/blobs';
import type { DocumentView } from '@skerry/sync-protocol/documents';
import { createMemoryBlobReferences } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import type { Documents } from './documents.ts';
import { referToNamedBlobs } from './named-blobs.ts';

const digest = (of: string): string => `sha256:${of.repeat(64)}`;
const [a, b, c] = [digest('a'), digest('b'), digest('c')];

function fresh() {
  const references = createMemoryBlobReferences();
  /** What the documents hold; a test may write as a device does. */
  const values = new Map<string, DocumentView['value']>();
  const view = (document: string) =>
    ok({
      document,
      epoch: 1,
      version: 1,
      heads: [],
      conflicts: {},
      value: values.get(document) ?? {},
    });
  const documents: Pick<Documents, 'read' | 'patch'> = {
    read: async (document) => view(document),
    async patch(document, change) {
      if ('refused' in (change as object)) return err(failure('too_large', document));
      if ('slow' in (change as object)) await new Promise((resolve) => setTimeout(resolve, 10));
      const changed = { ...values.get(document), ...(change as object) };
      values.set(
        document,
        Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== null)),
      );
      return view(document);
    },
  };
  const patch = referToNamedBlobs(documents, references, silentLog);
  const shownTo = (owner: string) =>
    [a, b, c].filter((named) => references.owners(named).includes(owner));
  return { patch, values, shownTo };
}

describe('blobs that documents name', () => {
  it('[BLA6] are referred to for who follows the document, while they stand in it', async () => {
    const { patch, shownTo } = fresh();
    await patch('device/box', { desired: { model: { digest: a }, more: [b, 'sha256:no'] } });
    await patch('site/north', { map: { digest: b } });
    await patch('fleet/policy', { rules: c });
    expect(shownTo(audiences.device('box'))).toEqual([a, b]);
    expect(shownTo(audiences.site('north'))).toEqual([b]);
    expect(shownTo(audiences.fleet)).toEqual([c]);
    await patch('device/box', { desired: { model: { digest: b } } });
    expect(shownTo(audiences.device('box'))).toEqual([b]);
    await patch('site/north', { map: null });
    expect(shownTo(audiences.site('north'))).toEqual([]);
    expect(shownTo(audiences.device('box'))).toEqual([b]);
  });

  it('[BLA6] what a device has written refers to nothing, and keeps nothing', async () => {
    const { patch, values, shownTo } = fresh();
    values.set('device/box', { reported: { wants: a } });
    values.set('site/north', { wants: b });
    await patch('device/box', { desired: { model: c } });
    await patch('site/north', { other: 1 });
    expect(shownTo(audiences.device('box'))).toEqual([c]);
    expect(shownTo(audiences.site('north'))).toEqual([]);
    values.set('device/box', { reported: { wants: c }, desired: { model: c } });
    await patch('device/box', { desired: null });
    expect(shownTo(audiences.device('box'))).toEqual([]);
  });

  it('[BLA6] a patch that is refused leaves no reference, nor do patches at once disturb each other', async () => {
    const { patch, shownTo } = fresh();
    expect(await patch('fleet/policy', { refused: c })).toMatchObject({ ok: false });
    expect(shownTo(audiences.fleet)).toEqual([]);
    await Promise.all([patch('fleet/policy', { slow: a }), patch('fleet/policy', { y: b })]);
    expect(shownTo(audiences.fleet)).toEqual([a, b]);
  });

  it('a patch that is nested without end costs no stack', async () => {
    const { patch, shownTo } = fresh();
    let nested: unknown = a;
    for (let i = 0; i < 50_000; i++) nested = { nested };
    expect(await patch('fleet/policy', { nested })).toMatchObject({ ok: true });
    expect(shownTo(audiences.fleet)).toEqual([]);
  });
});
