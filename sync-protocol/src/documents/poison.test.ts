// Changes that no replica of ours makes: each is refused in bounded time, kept for a person, and costs nobody else anything.

import * as Automerge from '@automerge/automerge';
import { createRandom, defined } from '@skerry/shared';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createWorkerEngine } from '../automerge/worker-engine.ts';
import { createDocumentFleet, digestOf } from '../testing/document-fleet.ts';
import { createMemoryDocumentDisk, createMemoryDocumentLog } from '../testing/memory-documents.ts';
import { encodeFrame, type FrameContent, partsOf } from './frame.ts';
import { quarantinedEntriesMax } from './log.ts';

const site = 'site/default';
type Anything = Record<string, unknown>;

function changeOf(edit: (root: Anything) => void): {
  change: Uint8Array;
  save: Uint8Array;
  heads: string[];
} {
  const doc = Automerge.change(Automerge.init<Anything>(), edit);
  return {
    change: defined(Automerge.getLastLocalChange(doc), 'a change'),
    save: Automerge.save(doc),
    heads: Automerge.getHeads(doc),
  };
}

function nested(depth: number): Anything {
  let value: Anything = {};
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
}

const soon = { timeout: 20_000, interval: 10 };
const bombText = 'x'.repeat(50 * 1024 * 1024);
let bomb: ReturnType<typeof changeOf>;
beforeAll(() => {
  bomb = changeOf((root) => {
    root['/bomb'] = new Automerge.ImmutableString(bombText);
  });
});

const frames = (content: readonly FrameContent[], heads: string[]): readonly Uint8Array[] =>
  content.map((each) => {
    const frame = encodeFrame({ document: site, epoch: 1, heads, id: 1, content: each }, digestOf);
    if (!frame.ok) throw new Error(frame.error.message);
    return frame.value;
  });

describe('a poisonous change', () => {
  it('[DOC7] is quarantined, whatever it is made of, while other documents go on', async () => {
    const fleet = await createDocumentFleet(['a', 'b'], { engine: { callMsMax: 3_000 } });
    onTestFinished(() => fleet.close());
    await fleet.exchange();
    const deep = changeOf((root) => Object.assign(root, nested(200)));
    const text = changeOf((root) => Object.assign(root, { '/a': 'a text CRDT' }));
    const listed = changeOf((root) => Object.assign(root, { '/a': [1, 2, 3] }));
    const pathless = changeOf((root) =>
      Object.assign(root, { a: new Automerge.ImmutableString('1') }),
    );
    const noJson = changeOf((root) =>
      Object.assign(root, { '/a': new Automerge.ImmutableString('{') }),
    );
    for (const { change, heads } of [deep, text, listed, pathless, noJson])
      for (const frame of frames([{ kind: 'changes', changes: [change] }], heads))
        await fleet.hub.receive('b', { kind: 'document-change', document: site, frame });
    expect(fleet.refused).toHaveLength(5);
    const parts = partsOf(bomb.save, digestOf);
    if (!parts.ok) throw new Error(parts.error.message);
    expect(bomb.save.length).toBeLessThan(100_000); // And 50 MiB once it is loaded.
    const other = fleet.hub.patch('device/a', { desired: { on: true } });
    for (const frame of frames(parts.value, bomb.heads))
      await fleet.hub.receive('b', { kind: 'document-change', document: site, frame });
    expect((await other).ok).toBe(true);
    expect(fleet.refused).toHaveLength(6);
    expect(fleet.hubDisk.quarantined).toHaveLength(6);
    await fleet.device('a').patch(site, { fine: true });
    await fleet.exchange();
    expect((await fleet.device('a').read('device/a')).value).toEqual({ desired: { on: true } });
    expect((await fleet.device('b').read(site)).value).toEqual({ fine: true });
  });

  it('[NEV4] a part that came first, of as many as the save never had, does not keep the save out', async () => {
    const fleet = await createDocumentFleet(['b']);
    onTestFinished(() => fleet.close());
    const { save, heads } = changeOf((root) => {
      root['/a'] = new Automerge.ImmutableString('1');
    });
    const part = (index: number, count: number, bytes: Uint8Array): FrameContent => {
      return { kind: 'part', index, count, digest: digestOf(save), bytes };
    };
    const [head, tail] = [save.slice(0, 20), save.slice(20)];
    for (const frame of frames([part(0, 3, head), part(0, 2, head), part(1, 2, tail)], heads))
      await fleet.hub.receive('b', { kind: 'document-change', document: site, frame });
    expect(await fleet.hub.read(site)).toMatchObject({ value: { value: { a: 1 } } });
  });

  it('[DOC7] that never ends costs the time that a call may take, and a new worker', {
    timeout: 60_000,
  }, async () => {
    const engine = createWorkerEngine({ callMsMax: 20 });
    onTestFinished(() => engine.close());
    // So short a time a machine under load may exceed with any call.
    const opened = () =>
      vi.waitFor(
        async () => expect(await engine.open('d', [], '00'.repeat(16))).toMatchObject({ ok: true }),
        soon,
      );
    await opened();
    const { save, heads } = bomb;
    const refused = await engine.integrate('d', { kind: 'save', save }, heads, 'all');
    expect(refused).toMatchObject({ error: { code: 'deadline_exceeded' } });
    await vi.waitFor(async () => {
      await opened();
      expect(await engine.read('d')).toEqual({ ok: true, value: [] });
    }, soon);
  });

  it('[DOC5] by an actor that somebody else has been is refused; the engine lives', async () => {
    const engine = createWorkerEngine();
    onTestFinished(() => engine.close());
    const actor = 'ab'.repeat(16);
    const one = Automerge.change(Automerge.init<Anything>({ actor }), (root) => {
      root['/a'] = new Automerge.ImmutableString('1');
    });
    const two = Automerge.change(Automerge.init<Anything>({ actor }), (root) => {
      root['/b'] = new Automerge.ImmutableString('2');
    });
    await engine.open('d', [], '00'.repeat(16));
    const give = (doc: Automerge.Doc<Anything>) =>
      engine.integrate(
        'd',
        { kind: 'changes', changes: Automerge.getAllChanges(doc) },
        Automerge.getHeads(doc),
        'all',
      );
    expect(await give(one)).toMatchObject({ ok: true });
    expect((await give(two)).ok).toBe(false);
    await engine.open('d', Automerge.getAllChanges(one), '01'.repeat(16));
    expect(await engine.read('d')).toMatchObject({ value: [{ path: '/a', json: '1' }] });
  });

  it('[DOC4] a log with a flipped bit is not believed', async () => {
    const engine = createWorkerEngine();
    onTestFinished(() => engine.close());
    const { save } = changeOf((root) => {
      for (let i = 0; i < 40; i++) root[`/k${i}`] = new Automerge.ImmutableString(String(i));
    });
    const random = createRandom(3);
    let opened = 0;
    for (let i = 0; i < 8; i++) {
      const flipped = save.slice();
      const at = random.below(save.length);
      flipped[at] = defined(flipped[at], 'a byte') ^ (1 << random.below(8));
      if ((await engine.open('d', [flipped], '00'.repeat(16))).ok) opened++;
    }
    expect(opened).toBe(0);
  });

  it('[DOC14] quarantine keeps the newest, and no more than its bound', async () => {
    const disk = createMemoryDocumentDisk();
    const log = createMemoryDocumentLog(disk);
    for (let i = 0; i < quarantinedEntriesMax + 5; i++)
      await log.quarantine({
        document: site,
        source: 'b',
        reason: String(i),
        bytes: new Uint8Array(80_000),
        atMs: i,
      });
    expect(disk.quarantined).toHaveLength(quarantinedEntriesMax);
    expect(disk.quarantined[0]?.reason).toBe('5');
    expect(disk.quarantined[0]?.bytes.length).toBe(64 * 1024);
  });
});
