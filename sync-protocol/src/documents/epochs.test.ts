// What a device can make of a document's epoch by a frame that brings nothing, and what a coordinator from an older
// backup learns by one.

import { describe, expect, it, onTestFinished } from 'vitest';
import { createDocumentFleet, type DocumentFleet, digestOf } from '../testing/document-fleet.ts';
import { fleetDocument, siteDocument } from './document.ts';
import { epochLeadMax } from './epochs.ts';
import { encodeFrame, epochMax } from './frame.ts';

const site = siteDocument('default');
const minuteMs = 60_000;

async function fleetOf(...names: string[]): Promise<DocumentFleet> {
  const fleet = await createDocumentFleet(names);
  onTestFinished(() => fleet.close());
  return fleet;
}

/** `device` shows nothing but an epoch of the fleet's document. */
async function show(fleet: DocumentFleet, device: string, epoch: number): Promise<void> {
  const content = { kind: 'nothing' } as const;
  const frame = encodeFrame(
    { document: fleetDocument, epoch, heads: [], id: 1, content },
    digestOf,
  );
  if (!frame.ok) throw new Error(frame.error.message);
  const op = { kind: 'document-change', document: fleetDocument, frame: frame.value } as const;
  await fleet.hub.receive(device, op);
}

async function epochOf(fleet: DocumentFleet, document: string): Promise<number> {
  const view = await fleet.hub.read(document);
  if (!view.ok) throw new Error(view.error.message);
  return view.value.epoch;
}

describe('an epoch that a device shows', () => {
  it('[DOC17] is refused and kept where it is far past ours, and the document goes on', async () => {
    const fleet = await fleetOf('a', 'b');
    await fleet.hub.patch(fleetDocument, { level: 1 });
    await fleet.exchange();
    for (const epoch of [epochMax, epochLeadMax + 2]) await show(fleet, 'b', epoch);
    expect(fleet.refused).toHaveLength(2);
    expect(fleet.hubDisk.quarantined).toHaveLength(2);
    expect(await epochOf(fleet, fleetDocument)).toBe(1);
    await fleet.hub.patch(fleetDocument, { level: 2 });
    await fleet.exchange();
    for (const name of ['a', 'b'])
      expect((await fleet.device(name).read(fleetDocument)).value).toEqual({ level: 2 });
  });

  it('[DOC17] makes us begin one past it at once, and then ever more rarely', async () => {
    const fleet = await fleetOf('a');
    await fleet.hub.patch(fleetDocument, { level: 1 });
    await show(fleet, 'a', 5);
    expect(await epochOf(fleet, fleetDocument)).toBe(6);
    let epoch = 6;
    for (const gapMs of [minuteMs, 2 * minuteMs, 4 * minuteMs]) {
      fleet.advance(gapMs - 1);
      await show(fleet, 'a', epoch + 1);
      expect(await epochOf(fleet, fleetDocument)).toBe(epoch);
      fleet.advance(1);
      await show(fleet, 'a', epoch + 1);
      expect(await epochOf(fleet, fleetDocument)).toBe(epoch + 2);
      epoch += 2;
    }
    expect(fleet.refused).toEqual([]);
    expect(await fleet.hub.read(fleetDocument)).toMatchObject({ value: { value: { level: 1 } } });
  });

  it('[DOC17] is what a coordinator from an older backup goes past, and all come together again', async () => {
    const fleet = await fleetOf('a', 'b');
    await fleet.hub.patch(fleetDocument, { level: 1 });
    await fleet.device('a').patch(site, { early: 1 });
    await fleet.exchange();
    const backup = structuredClone(fleet.hubDisk);
    for (const document of [site, fleetDocument])
      for (let i = 0; i < 3; i++) await fleet.hub.beginEpoch(document);
    await fleet.exchange();
    expect(await epochOf(fleet, site)).toBe(4);
    for (const part of ['documents', 'members'] as const) {
      fleet.hubDisk[part].clear();
      for (const [key, value] of backup[part]) fleet.hubDisk[part].set(key, value as never);
    }
    await fleet.restartHub();
    await fleet.hub.patch(fleetDocument, { level: 2 });
    await fleet.device('b').patch(site, { late: 1 });
    await fleet.exchange();
    // A device that waits for an answer shows its heads again by itself.
    fleet.advance(10 * minuteMs);
    await fleet.exchange();
    expect(await epochOf(fleet, site)).toBeGreaterThan(4);
    for (const name of ['a', 'b']) {
      expect((await fleet.device(name).read(fleetDocument)).value).toEqual({ level: 2 });
      expect((await fleet.device(name).read(site)).value).toEqual({ early: 1, late: 1 });
    }
    expect(fleet.refused).toEqual([]);
  });
});
