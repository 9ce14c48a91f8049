import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDocumentFleet, type DocumentFleet } from '../testing/document-fleet.ts';

const site = 'site/default';
const names = ['a', 'b', 'c'];

async function start(...args: Parameters<typeof createDocumentFleet>) {
  const fleet = await createDocumentFleet(...args);
  onTestFinished(() => fleet.close());
  return fleet;
}

async function hubView(fleet: DocumentFleet, document = site) {
  const view = await fleet.hub.read(document);
  if (!view.ok) throw new Error(view.error.message);
  return view.value;
}

async function expectEqual(fleet: DocumentFleet, devices = names) {
  const hub = await hubView(fleet);
  for (const name of devices) {
    const view = await fleet.device(name).read(site);
    expect([...view.heads].sort()).toEqual([...hub.heads].sort());
    expect(view.value).toEqual(hub.value);
    expect(view.conflicts).toEqual(hub.conflicts);
  }
  return hub;
}

describe('documents', () => {
  it('[DOC1] three devices of a site end with the same heads and value', async () => {
    const fleet = await start(names);
    await fleet.exchange();
    await fleet.device('a').patch(site, { lamps: { a: 1 } });
    await fleet.device('b').patch(site, { lamps: { b: 2 } });
    await fleet.device('c').patch(site, { lamps: { c: { d: [3] } } });
    await fleet.exchange();
    const hub = await expectEqual(fleet);
    expect(hub.value).toEqual({ lamps: { a: 1, b: 2, c: { d: [3] } } });
  });

  it('[DOC3] who wrote at the same time is shown, until somebody decides', async () => {
    const fleet = await start(names);
    await fleet.device('a').patch(site, { mode: 'day' });
    await fleet.device('b').patch(site, { mode: 'night' });
    await fleet.exchange();
    const { value, conflicts } = await expectEqual(fleet);
    expect([value['mode'], ...(conflicts['/mode'] ?? [])].sort()).toEqual(['day', 'night']);
    await fleet.device('c').patch(site, { mode: 'dusk' });
    await fleet.exchange();
    expect((await expectEqual(fleet)).conflicts).toEqual({});
  });

  it('[DOC5] a cloned disk is another writer: nothing is lost, and nothing is refused', async () => {
    const fleet = await start(names);
    await fleet.device('a').patch(site, { from: 'a' });
    await fleet.exchange();
    const clone = structuredClone(fleet.device('a').disk);
    await fleet.device('b').restart(clone);
    await fleet.device('a').patch(site, { a: 1 });
    await fleet.device('b').patch(site, { b: 1 });
    await fleet.device('a').restart();
    await fleet.device('a').patch(site, { again: 1 });
    await fleet.exchange();
    expect((await expectEqual(fleet)).value).toEqual({ from: 'a', a: 1, b: 1, again: 1 });
    expect(fleet.refused).toEqual([]);
  });

  it('[DOC8] what is lost on the way, or forgotten by either side, is shown again', async () => {
    const fleet = await start(names);
    await fleet.exchange();
    await fleet.device('a').patch(site, { a: 1 });
    await fleet.exchange('b', 'c'); // So that its frame has been made.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(fleet.device('a').outbox.splice(0).length).toBe(1);
    await fleet.device('a').restart();
    await fleet.exchange();
    expect((await expectEqual(fleet)).value).toEqual({ a: 1 });
    fleet.hubDisk.documents.clear(); // The hub's disk goes back in time.
    fleet.hubDisk.members.clear();
    await fleet.restartHub();
    await fleet.device('b').restart();
    await fleet.exchange();
    fleet.advance(6_000); // [DOC11] Shown once and nothing changed: it waits before it shows the same again.
    await fleet.exchange();
    expect((await hubView(fleet)).value).toEqual({ a: 1 });
    await fleet.device('a').restart();
    await fleet.device('c').restart();
    await fleet.exchange();
    await expectEqual(fleet);
  });

  it('[DOC9] a past that has grown too large is left behind, and all follow', async () => {
    const fleet = await start(names, { limits: { historyBytesMax: 4_000 } });
    await fleet.exchange();
    for (let i = 0; i < 40; i++) await fleet.device('a').patch(site, { n: i, [`k${i % 3}`]: i });
    await fleet.exchange();
    await fleet.exchange();
    const hub = await expectEqual(fleet);
    expect(hub.epoch).toBeGreaterThan(1);
    expect(hub.value).toMatchObject({ n: 39 });
  });

  it('[DOC10] one that was away over an epoch keeps its edits and resurrects nothing', async () => {
    const fleet = await start(names);
    await fleet.device('a').patch(site, { kept: 1, gone: 1, both: 1, own: 1 });
    await fleet.exchange();
    await fleet.device('c').patch(site, { own: 2, new: 2, both: 'c' }); // Offline from here on.
    await fleet.device('a').patch(site, { gone: null, both: 'a' });
    await fleet.exchange('a', 'b');
    await fleet.hub.beginEpoch(site);
    await fleet.exchange('a', 'b');
    await fleet.hub.beginEpoch(site);
    await fleet.device('c').restart();
    await fleet.exchange();
    const hub = await expectEqual(fleet);
    expect(hub.epoch).toBe(3);
    expect(hub.value).toMatchObject({ kept: 1, own: 2, new: 2 });
    expect(hub.value).not.toHaveProperty('gone');
    expect([hub.value['both'], ...(hub.conflicts['/both'] ?? [])].sort()).toEqual(['a', 'c']);
  });

  it('[DOC12] each writes its own half of a twin, and nobody but the cloud the policy', async () => {
    const fleet = await start(names);
    await fleet.hub.patch('device/a', { desired: { rate: 5 } });
    await fleet.hub.patch('fleet/policy', { quiet: true });
    await fleet.device('a').patch('device/a', { reported: { rate: 4 } });
    expect(await fleet.hub.patch('device/a', { reported: {} })).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    await fleet.exchange();
    expect((await fleet.device('a').read('device/a')).value).toEqual({
      desired: { rate: 5 },
      reported: { rate: 4 },
    });
    // One that does not keep to it: its edit is refused, and its replica replaced.
    await fleet.device('a').patch('device/a', { desired: { rate: 99 } });
    await fleet.device('b').patch('fleet/policy', { quiet: false });
    await fleet.exchange();
    expect((await hubView(fleet, 'device/a')).value).toMatchObject({ desired: { rate: 5 } });
    expect((await hubView(fleet, 'fleet/policy')).value).toEqual({ quiet: true });
    expect(fleet.refused.length).toBeGreaterThanOrEqual(2);
    expect(fleet.hubDisk.quarantined.map(({ source }) => source)).toContain('b');
  });

  it('[DOC13] one that is away costs one piece of news, however much happens', async () => {
    const fleet = await start(names);
    await fleet.exchange();
    for (let i = 0; i < 30; i++) {
      await fleet.device('a').patch(site, { i });
      await fleet.exchange('a');
    }
    expect(fleet.device('b').inbox.length).toBeLessThanOrEqual(1);
    for (let i = 0; i < 30; i++) await fleet.device('b').patch(site, { j: i });
    await fleet.exchange();
    expect((await expectEqual(fleet)).value).toEqual({ i: 29, j: 29 });
  });

  it('[DOC1] [DOC6] any edits, cuts and restarts: equal in the end, every last edit there', async () => {
    const step = fc.record({
      kind: fc.constantFrom(
        'edit',
        'edit',
        'delete',
        'exchange',
        'exchange',
        'restart',
        'begin-epoch',
        'restart-hub',
      ),
      who: fc.constantFrom(...names),
      key: fc.nat(3),
    });
    const fleetOf = new Set<DocumentFleet>();
    onTestFinished(async () => {
      for (const fleet of fleetOf) await fleet.close();
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.nat(1e6), async (steps, seed) => {
        const fleet = await createDocumentFleet(names, { seed });
        fleetOf.add(fleet);
        let n = 0;
        for (const each of steps) {
          const device = fleet.device(each.who);
          const key = `k${each.key}`;
          if (each.kind === 'begin-epoch') await fleet.hub.beginEpoch(site);
          else if (each.kind === 'restart-hub') await fleet.restartHub();
          else if (each.kind === 'exchange') await fleet.exchange(each.who);
          else if (each.kind === 'restart') await device.restart();
          else if (each.kind === 'delete') await device.patch(site, { [key]: null });
          else await device.patch(site, { [key]: n++, [`own-${each.who}`]: n });
        }
        const own = new Map<string, unknown>();
        for (const name of names)
          own.set(name, (await fleet.device(name).read(site)).value[`own-${name}`]);
        await fleet.exchange();
        const hub = await expectEqual(fleet);
        for (const name of names) expect(hub.value[`own-${name}`]).toEqual(own.get(name));
        expect(fleet.refused).toEqual([]);
        fleetOf.delete(fleet);
        await fleet.close();
      }),
      { numRuns: 12 },
    );
  });
});
