// Thirty days offline: 10 000 changes made on a device while others made none, and 5 000 on each side; what catching up
// costs in bytes and time. Beside it Automerge's own sync protocol over the same kind of history.

import * as Automerge from '@automerge/automerge';
import { createDocumentFleet } from '@skerry/sync-protocol/testing';

export interface DocumentCatchUpOptions {
  readonly local: number;
  readonly remote: number;
  readonly keys: number;
}

export interface DocumentCatchUp {
  readonly bytes: number;
  readonly seconds: number;
  readonly messages: number;
}

const site = 'site/default';
const secondsOf = (startedMs: number): number => (performance.now() - startedMs) / 1000;

/** Our frames: each is one op of an Exchange. The device was in step before it left. */
export async function documentCatchUp(options: DocumentCatchUpOptions): Promise<DocumentCatchUp> {
  const { local, remote, keys } = options;
  const fleet = await createDocumentFleet(['away', 'home']);
  try {
    await fleet.device('home').patch(site, { since: 'before' });
    await fleet.exchange();
    const edit = (name: string, i: number) =>
      fleet.device(name).patch(site, { [name]: { [`k${i % keys}`]: { v: i, at: 1.7e12 + i } } });
    for (let i = 0; i < local; i++) await edit('away', i);
    for (let i = 0; i < remote; i++) await edit('home', i);
    await fleet.exchange('home');
    const before = { ...fleet.traffic };
    const startedMs = performance.now();
    await fleet.exchange('away');
    const seconds = secondsOf(startedMs);
    const hub = await fleet.hub.read(site);
    const device = await fleet.device('away').read(site);
    if (!hub.ok || JSON.stringify(hub.value.value) !== JSON.stringify(device.value))
      throw new Error('not caught up');
    const { bytes, frames } = fleet.traffic;
    return { bytes: bytes - before.bytes, messages: frames - before.frames, seconds };
  } finally {
    await fleet.close();
  }
}

/** Automerge's sync protocol over a perfect pipe, on the same leaves as ours hold. */
export function automergeSync({ local, remote, keys }: DocumentCatchUpOptions): DocumentCatchUp {
  type Doc = Record<string, Automerge.ImmutableString>;
  const edited = (base: Automerge.Doc<Doc>, name: string, changes: number): Automerge.Doc<Doc> => {
    let doc = base;
    for (let i = 0; i < changes; i++)
      doc = Automerge.change(doc, { time: 0 }, (root) => {
        root[`/${name}/k${i % keys}/v`] = new Automerge.ImmutableString(String(i));
        root[`/${name}/k${i % keys}/at`] = new Automerge.ImmutableString(String(1.7e12 + i));
      });
    return doc;
  };
  const base = edited(Automerge.init<Doc>(), 'before', 1);
  let a = edited(Automerge.clone(base), 'away', local);
  let b = edited(Automerge.clone(base), 'home', remote);
  let stateA = Automerge.initSyncState();
  let stateB = Automerge.initSyncState();
  let bytes = 0;
  let messages = 0;
  const startedMs = performance.now();
  for (let quiet = false; !quiet; ) {
    quiet = true;
    const [nextA, toB] = Automerge.generateSyncMessage(a, stateA);
    stateA = nextA;
    if (toB !== null) {
      [b, stateB] = Automerge.receiveSyncMessage(b, stateB, toB);
      bytes += toB.length;
      messages++;
      quiet = false;
    }
    const [nextB, toA] = Automerge.generateSyncMessage(b, stateB);
    stateB = nextB;
    if (toA !== null) {
      [a, stateA] = Automerge.receiveSyncMessage(a, stateA, toA);
      bytes += toA.length;
      messages++;
      quiet = false;
    }
  }
  return { bytes, messages, seconds: secondsOf(startedMs) };
}
