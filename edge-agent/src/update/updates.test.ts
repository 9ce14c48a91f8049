// A device that takes updates, whole: the production code over a real database, real files and real sessions.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, failure } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  createUpdateWorld,
  type PublishedBundle,
  type UpdateLife,
  type UpdateWorld,
} from '../testing/index.ts';
import { shortLifeMs, startsMax } from './boot-model.ts';

async function freshWorld(): Promise<UpdateWorld> {
  const world = await createUpdateWorld();
  onTestFinished(() => world.close());
  return world;
}

/** Where a version newer than the factory's is published and signed. */
async function worldOfOne() {
  const world = await freshWorld();
  const one = await world.publish('1.1.0', 32);
  world.sign(one);
  return { world, one };
}

/** Where two are. */
async function worldOfTwo() {
  const { world, one } = await worldOfOne();
  const two = await world.publish('1.2.0', 64);
  world.sign(two);
  return { world, one, two };
}

async function start(world: UpdateWorld): Promise<UpdateLife> {
  const life = await world.start();
  assert(life.ok, life.ok ? '' : life.error.message);
  return life.value;
}

const stateOf = (life: UpdateLife): string => life.updates.statusOf('sample')?.state ?? 'idle';
const statesTold = (life: UpdateLife): string[] => life.reports().map(({ state }) => state);

/** Assigns it, and waits until that assignment has led to the state. */
async function bring(
  world: UpdateWorld,
  life: UpdateLife,
  envelope: Uint8Array,
  state: string,
): Promise<void> {
  life.receive(envelope);
  const { payload } = JSON.parse(new TextDecoder().decode(envelope));
  const { counter } = JSON.parse(payload);
  await world.until(life, () => {
    const told = life.reports().filter((report) => report.counter === counter);
    return told.some((report) => report.state === state);
  });
}

const runs = async (life: UpdateLife) => (await life.ask())?.bundle;

async function edgeDigest({ folder }: PublishedBundle): Promise<string> {
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  return manifest.variants[0].files.edge.sha256;
}

describe('an update', () => {
  it('[UPD1] goes from assigned to confirmed, each transition told once, and survives a restart', async () => {
    const { world, one: next } = await worldOfOne();
    const life = await start(world);
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await bring(world, life, world.assignment(next), 'confirmed');
    expect(await life.ask()).toEqual({ bundle: next.manifest.digest, logits: [1, 0] });
    expect(statesTold(life)).toEqual([
      'assigned',
      'fetching',
      'verified',
      'staged',
      'activating',
      'soaking',
      'confirmed',
    ]);
    const last = life.reports().at(-1);
    expect(last).toMatchObject({
      running: next.manifest.digest,
      moved: { way: 'full', bytes: expect.any(Number) },
      health: { requests: expect.any(Number), failures: 0 },
      baseline: { failures: 0 },
    });
    life.stop();
    const again = await start(world);
    expect(await runs(again)).toBe(next.manifest.digest);
    expect(stateOf(again)).toBe('confirmed');
  });

  it('[UPD11] that is confirmed is told to who judges targets, at each start again', async () => {
    const { world, one: next } = await worldOfOne();
    const life = await start(world);
    expect(world.confirmed).toEqual([]);
    await bring(world, life, world.assignment(next), 'confirmed');
    expect(world.confirmed).toEqual([next.manifest.digest]);
    life.kill();
    await start(world);
    expect(world.confirmed).toEqual([next.manifest.digest, next.manifest.digest]);
  });

  it('[UPD3] of what lies in the other slot moves no byte', async () => {
    const { world, one, two } = await worldOfTwo();
    const life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    await bring(world, life, world.assignment(two), 'confirmed');
    world.fetched.length = 0;
    await bring(world, life, world.assignment(one), 'confirmed');
    expect(await runs(life)).toBe(one.manifest.digest);
    await bring(world, life, world.assignment(world.factory), 'confirmed');
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    expect(world.fetched).toEqual([]);
  });

  it('[UPD2] that a newer one replaces is left where it was', async () => {
    const { world, one, two } = await worldOfTwo();
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    await bring(world, life, world.assignment(two), 'confirmed');
    const told = life.reports().find(({ counter, state }) => counter === 2 && state === 'assigned');
    expect(told?.running).toBe(world.factory.manifest.digest);
    expect(await runs(life)).toBe(two.manifest.digest);
  });

  it('[UPD12] stops at once, and what is not confirmed goes back', async () => {
    const { world, one } = await worldOfOne();
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    await bring(world, life, world.assignment(undefined, { mode: 'stop' }), 'stopped');
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await bring(world, life, world.assignment(one), 'confirmed');
  });

  it('[UPD4] that the director quarantines is left at once, also when it is confirmed', async () => {
    const { world, one } = await worldOfOne();
    const life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    const quarantined = [one.manifest.digest];
    await bring(world, life, world.assignment(undefined, { quarantined }), 'quarantined');
    await world.until(life, async () => (await runs(life)) === world.factory.manifest.digest);
    await bring(world, life, world.assignment(one, { quarantined }), 'refused');
  });
});

describe('trust', () => {
  it('[UPD11] what nobody trusted has signed is not fetched, and an assignment by another is none', async () => {
    const world = await freshWorld();
    const one = await world.publish('1.1.0', 32);
    const life = await start(world);
    await bring(world, life, world.assignment(one), 'refused');
    expect(life.reports().at(-1)?.reason?.code).toBe('untrusted');
    world.sign(one);
    life.receive(world.assignment(one, {}, {}, 'mallory'));
    await world.until(life, () => life.updates.refused()?.message === 'mallory has signed it');
    expect(stateOf(life)).toBe('refused');
    expect(world.fetched).toEqual([]);
  });

  it('[UPD11] director and targets must mean the same bytes', async () => {
    const { world, one, two } = await worldOfTwo();
    const life = await start(world);
    // The bytes of one by the name of the other, and a manifest of another version behind an honest name.
    await bring(world, life, world.assignment(one, {}, { target: two.terms.target }), 'refused');
    expect(life.reports().at(-1)?.reason?.code).toBe('untrusted');
    const mixed = { version: '1.2.0' };
    await bring(world, life, world.assignment(one, {}, mixed), 'refused');
    expect(life.reports().at(-1)?.reason?.code).toBe('misfit');
    expect(await runs(life)).toBe(world.factory.manifest.digest);
  });

  it('[UPD11] expired metadata holds what is new, says so, and never what runs', async () => {
    const { world, one } = await worldOfOne();
    world.set.trustFails = failure('expired', 'the timestamp has expired');
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(life, () => !!life.updates.statusOf('sample')?.waiting?.includes('expired'));
    expect(stateOf(life)).toBe('assigned');
    delete world.set.trustFails;
    await world.until(life, () => stateOf(life) === 'confirmed');
  });

  it('[UPD11] metadata that fails holds an update and does not end it; a new director is known by it', async () => {
    const { world, one } = await worldOfOne();
    world.set.trustFails = failure('untrusted', 'a captive portal');
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(life, () => !!life.updates.statusOf('sample')?.waiting?.includes('portal'));
    expect(world.fetched).toEqual([]);
    world.set.directors = new Set(['the new director']);
    world.set.trustFails = failure('unavailable', 'no link');
    life.receive(world.assignment(one, {}, {}, 'the new director'));
    await world.until(life, () => life.updates.refused()?.message === 'no link');
    expect(life.updates.waits()).toBe(true);
    delete world.set.trustFails;
    await world.until(life, () => stateOf(life) === 'confirmed' && !life.updates.waits());
    expect(life.reports().at(-1)?.counter).toBe(2);
  });

  it.each(['storage_failed', 'expired'] as const)(
    '[UPD11] a stop by a new director waits for its metadata: %s',
    async (code) => {
      const world = await freshWorld();
      const one = await world.publish('1.1.0', 32);
      world.sign(one);
      const life = await start(world);
      life.receive(world.assignment(one, {}, { soak: { ...long, requestsMin: 1_000_000 } }));
      await world.until(life, () => stateOf(life) === 'soaking', false);
      world.set.directors = new Set(['the new director']);
      world.set.trustFails = failure(code, 'not now');
      life.receive(world.assignment(undefined, { mode: 'stop' }, {}, 'the new director'));
      await world.until(life, () => life.updates.refused()?.message === 'not now');
      expect(life.updates.waits()).toBe(true);
      delete world.set.trustFails;
      await world.until(life, () => stateOf(life) === 'stopped');
    },
  );

  it('[UPD11] wants its metadata until it has begun, or another has taken its place', async () => {
    const { world, one } = await worldOfOne();
    const life = await start(world);
    const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)].map(world.upload);
    world.set.trustFails = failure('unavailable', 'not now');
    life.receive(world.assignment(one, { metadata: first }));
    await world.until(life, () => world.wanted.has(first?.digest ?? ''));
    await world.until(life, () => !!life.updates.statusOf('sample')?.waiting?.includes('not now'));
    expect(world.wanted.has(first?.digest ?? '')).toBe(true);
    life.receive(world.assignment(one, { metadata: second }));
    await world.until(life, () => world.wanted.has(second?.digest ?? ''));
    expect(world.wanted.has(first?.digest ?? '')).toBe(false);
    delete world.set.trustFails;
    await world.until(life, () => stateOf(life) === 'confirmed');
    expect([...world.wanted]).toEqual([]);
  });

  it('[UPD11] nor is one lost whose metadata cannot be fetched just now', async () => {
    const world = await freshWorld();
    const life = await start(world);
    world.set.directors = new Set(['the new director']);
    world.set.metadata = world.upload(Uint8Array.of(1, 2, 3));
    world.set.unreachable = true;
    life.receive(world.assignment(undefined, { mode: 'stop' }, {}, 'the new director'));
    await world.until(life, () => life.updates.refused()?.code === 'unavailable');
    expect(life.updates.waits()).toBe(true);
    world.set.unreachable = false;
    await world.until(life, () => !life.updates.waits());
    expect(life.updates.refused()).toBeUndefined();
  });

  it('[UPD2] a replay is refused, and told from a repetition', async () => {
    const { world, one, two } = await worldOfTwo();
    const life = await start(world);
    const first = world.assignment(one);
    await bring(world, life, first, 'confirmed');
    const second = world.assignment(two);
    await bring(world, life, second, 'confirmed');
    life.receive(second);
    await world.until(life, () => !life.updates.waits());
    expect(life.updates.refused()).toBeUndefined();
    life.receive(first);
    await world.until(life, () => life.updates.refused() !== undefined);
    expect(life.updates.refused()?.message).toContain('a replay: 1 after 2');
    expect(await runs(life)).toBe(two.manifest.digest);
  });
});

describe('what is fetched', () => {
  it('[UPD13] is what its digest says, or is not taken; what the cloud lacks ends after its tries', async () => {
    const { world, one } = await worldOfOne();
    const digest = one.manifest.digest;
    world.set.corrupt.set(digest, new Uint8Array(one.manifest.bytes));
    const life = await start(world);
    await bring(world, life, world.assignment(one), 'rolled-back');
    world.set.corrupt.clear();
    await world.until(life, () => stateOf(life) === 'confirmed');

    const two = await world.publish('1.2.0', 64);
    world.sign(two);
    world.set.absent.add(two.manifest.digest);
    await bring(world, life, world.assignment(two), 'refused');
    expect(life.reports().at(-1)).toMatchObject({ attempt: 3, reason: { code: 'attempts' } });
    expect(await runs(life)).toBe(digest);
  });

  it('[UPD13] comes by a delta where one fits, which is checked, and whole where it does not', async () => {
    const { world, one, two } = await worldOfTwo();
    const [base, target, twoTarget] = await Promise.all([world.factory, one, two].map(edgeDigest));
    assert(base && target && twoTarget, 'each has an edge stage');
    const bytes = await readFile(join(one.folder, 'edge.onnx'));
    const good = world.upload(new TextEncoder().encode('good'));
    const bad = world.upload(new TextEncoder().encode('bad'));
    world.set.applyDelta = async (delta) =>
      new TextDecoder().decode(delta) === 'good'
        ? { ok: true, value: new Uint8Array(bytes) }
        : { ok: true, value: Uint8Array.of(1) };
    const life = await start(world);
    const deltas = [
      { base, target, blob: bad },
      { base, target, blob: good },
    ];
    await bring(world, life, world.assignment(one, {}, { deltas }), 'confirmed');
    expect(world.fetched).not.toContain(target);
    expect(life.reports().at(-1)?.moved?.way).toBe('delta');

    const onlyBad = [{ base: target, target: twoTarget, blob: bad }];
    await bring(world, life, world.assignment(two, {}, { deltas: onlyBad }), 'confirmed');
    expect(life.reports().at(-1)?.moved?.way).toBe('full');
    expect(world.fetched).toContain(twoTarget);
  });

  it('[UPD13] is kept until the slot that it was written to is durable', async () => {
    const { world, one } = await worldOfOne();
    const life = await start(world);
    world.set.dies = (point) => {
      if (point === 'before save staged') world.set.isFull = true;
      return false;
    };
    life.receive(world.assignment(one));
    await world.until(life, () => !!life.updates.statusOf('sample')?.waiting?.includes('durable'));
    const fetched = world.fetched.length;
    world.set.dies = () => false;
    world.set.isFull = false;
    await world.until(life, () => stateOf(life) === 'confirmed');
    expect(world.fetched).toHaveLength(fetched);
  });

  it('[UPD14] needs room before it begins, and waits for it with a reason', async () => {
    const { world, one } = await worldOfOne();
    world.set.freeBytes = 1_000;
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(
      life,
      () => !!life.updates.statusOf('sample')?.waiting?.startsWith('disk: needs'),
    );
    expect(world.fetched).toEqual([one.manifest.digest]);
    world.set.freeBytes = 1e9;
    await world.until(life, () => stateOf(life) === 'confirmed');
  });
});

describe('a candidate', () => {
  it('[UPD15] that fails its golden inputs here never answers, and is not tried again', async () => {
    const world = await freshWorld();
    const one = await world.publish('1.1.0', 32);
    const path = join(one.folder, 'manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8'));
    manifest.golden[0].logits['1'] = [9, 9];
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    await writeFile(path, bytes);
    const ref = world.upload(bytes);
    const wrong = { ...one, manifest: ref, terms: { ...one.terms, bundle: ref } };
    world.sign(wrong);
    const life = await start(world);
    await bring(world, life, world.assignment(wrong), 'quarantined');
    expect(life.reports().at(-1)?.reason?.code).toBe('self-test');
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await bring(world, life, world.assignment(wrong), 'refused');
  });

  it('[UPD9] that says otherwise in the shadow never answers; one that agrees goes on', async () => {
    const world = await freshWorld();
    const [good, bad] = [await world.publish('1.1.0', 32), await world.publish('1.2.0', -16)];
    for (const bundle of [good, bad]) world.sign(bundle);
    const life = await start(world);
    const shadow = { runsMin: 20, agreementMin: 0.9, shareMax: 1, latencyMsMax: 1_000 };
    await bring(world, life, world.assignment(bad, {}, { shadow }), 'quarantined');
    const told = life.reports().find(({ state }) => state === 'rolled-back');
    expect(told).toMatchObject({ reason: { code: 'shadow' }, health: { shadow: { agreed: 0 } } });
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await bring(world, life, world.assignment(good, {}, { shadow }), 'confirmed');
    expect(statesTold(life).slice(-4)).toEqual(['shadowing', 'activating', 'soaking', 'confirmed']);
    // Who judges the confirmed ones sees how it agreed.
    expect(life.reports().at(-1)).toMatchObject({
      state: 'confirmed',
      health: { shadow: { answers: expect.any(Number) } },
    });
  });

  it('[UPD10] that fails its requests is rolled back without the cloud, and its place is not lost', async () => {
    const { world, one } = await worldOfOne();
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    world.set.linkUp = false;
    for (let i = 0; i < 20; i++) life.updates.meter('sample', one.manifest.digest)?.failed();
    await world.until(life, () => stateOf(life) === 'quarantined');
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    expect(life.reports().find(({ state }) => state === 'rolled-back')).toMatchObject({
      reason: { code: 'health' },
      health: { failures: 20 },
      running: world.factory.manifest.digest,
    });
  });

  it('[UPD16] that ends the process again and again makes way for the one before it', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    life.receive(world.assignment(one, {}, { soak: { ...long, requestsMin: 1_000_000 } }));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    life.stop();
    for (let i = 0; i < 3; i++) {
      life = await start(world);
      expect(life.updates.describe()[0]).toMatchObject({ active: 'a' });
      life.kill();
    }
    life = await start(world);
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await world.until(life, () => stateOf(life) === 'quarantined');
    expect(life.reports().at(-1)?.reason?.code).toBe('crash-loop');
    // Answers, or a stop that somebody asked for, are no such starts.
    for (let i = 0; i < 5; i++) {
      life.stop();
      life = await start(world);
    }
    expect(stateOf(life)).toBe('quarantined');
  });
});

const long = {
  forMs: 1_000,
  requestsMin: 10,
  limits: {
    failureShareMax: 0.01,
    latencyRatioMax: 1.5,
    exitShareDropMax: 0.1,
    disagreementRiseMax: 0.1,
  },
};

describe('a device', () => {
  it('[UPD16] leaves a candidate that answers and then ends the process, again and again', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    life.receive(world.assignment(one, {}, { soak: { ...long, requestsMin: 1_000_000 } }));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    // A stop that somebody asked for is none.
    for (let i = 0; i < 5; i++) {
      life.stop();
      life = await start(world);
    }
    expect(await runs(life)).toBe(one.manifest.digest);
    for (let i = 0; i < 3; i++) {
      life.kill();
      life = await start(world);
      if (i < 2) expect(await runs(life)).toBe(one.manifest.digest);
    }
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await world.until(life, () => stateOf(life) === 'quarantined');
    expect(life.reports().at(-1)?.reason?.code).toBe('crash-loop');
  });

  it('[UPD16] leaves no candidate for lives that lasted, however often the power is cut', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    const soak = { ...long, requestsMin: 1_000_000 };
    const dayMs = 86_400_000;
    const timeouts = { fetchMs: dayMs, shadowMs: dayMs, activateMs: dayMs, soakMs: dayMs };
    life.receive(world.assignment(one, {}, { soak, timeouts }));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    const cut = async (afterMs: number) => {
      // An answer: the starts without one are another count.
      await life.ask();
      const atMs = world.clock.nowMs() + afterMs;
      while (world.clock.runNext(atMs));
      life.kill();
      life = await start(world);
    };
    for (let i = 0; i < 2 * startsMax; i++) await cut(shortLifeMs + 2_000);
    // A row of short ones ends with one that lasts, and begins anew.
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < startsMax - 1; i++) await cut(1_000);
      await cut(shortLifeMs + 2_000);
    }
    expect(await runs(life)).toBe(one.manifest.digest);
    expect(stateOf(life)).toBe('soaking');
    for (let i = 0; i < startsMax; i++) await cut(1_000);
    expect(await runs(life)).toBe(world.factory.manifest.digest);
  });

  it('[UPD16] counts the starts of the bundle that it fell back to anew', async () => {
    const { world, one, two } = await worldOfTwo();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    await bring(world, life, world.assignment(two), 'confirmed');
    for (let i = 0; i < 6; i++) {
      life.kill();
      life = await start(world);
    }
    expect(await runs(life)).toBe(one.manifest.digest);
  });

  it('[UPD17] whose active slot is damaged runs the place before it, and mends itself', async () => {
    const { world, one, two } = await worldOfTwo();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    await bring(world, life, world.assignment(two), 'confirmed');
    life.stop();
    await writeFile(join(world.folder, 'models/sample/b/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    expect(await runs(life)).toBe(one.manifest.digest);
    expect(life.reports().at(-1)).toMatchObject({
      state: 'rolled-back',
      reason: { code: 'damaged' },
      running: one.manifest.digest,
    });
    await world.until(life, () => stateOf(life) === 'confirmed');
    expect(await runs(life)).toBe(two.manifest.digest);
  });

  it('[UPD17] with one good bundle left runs that one: factory, or a slot', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    life.stop();
    await writeFile(join(world.folder, 'models/sample/a/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    await world.until(life, () => stateOf(life) === 'confirmed');
    life.stop();
    await writeFile(join(world.folder, 'factory/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    expect(await runs(life)).toBe(one.manifest.digest);
  });

  it('[UPD21] runs what no evidence says was signed after all else, and rather than nothing', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    life.stop();
    // Signed no longer, and expired: what was kept beside it says so for ever.
    world.unsign(one);
    life = await start(world);
    expect(await runs(life)).toBe(one.manifest.digest);
    life.stop();
    world.set.trustFails = failure('expired', 'no newer metadata');
    await rm(join(world.folder, 'models/sample/a/evidence.json'));
    life = await start(world);
    expect(await runs(life)).toBe(world.factory.manifest.digest);
    expect(life.reports().at(-1)).toMatchObject({
      state: 'rolled-back',
      reason: { code: 'untrusted' },
      running: world.factory.manifest.digest,
    });
    life.stop();
    await writeFile(join(world.folder, 'factory/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    expect(await runs(life)).toBe(one.manifest.digest);
  });

  it('[UPD22] keeps the evidence of a slot that has none, while there is some, and needs no other then', async () => {
    const { world, one, two } = await worldOfTwo();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    await bring(world, life, world.assignment(two), 'confirmed');
    life.stop();
    // As the version before left them.
    const kept = ['a', 'b'].map((slot) =>
      join(world.folder, `models/sample/${slot}/evidence.json`),
    );
    const before = await Promise.all(kept.map((path) => readFile(path, 'utf8')));
    for (const path of kept) await rm(path);
    life = await start(world);
    life.stop();
    expect(await Promise.all(kept.map((path) => readFile(path, 'utf8')))).toEqual(before);
    for (const bundle of [one, two]) world.unsign(bundle);
    world.set.trustFails = failure('expired', 'no newer metadata');
    life = await start(world);
    expect(await runs(life)).toBe(two.manifest.digest);
    life.stop();
    await writeFile(join(world.folder, 'models/sample/b/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    expect(await runs(life)).toBe(one.manifest.digest);
  });

  it('[UPD22] lays no evidence of other bytes beside a slot', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    life.stop();
    const kept = join(world.folder, 'models/sample/a/evidence.json');
    await rm(kept);
    world.sign(await world.publish('1.1.0', 16));
    life = await start(world);
    life.stop();
    await expect(readFile(kept)).rejects.toThrow('ENOENT');
  });

  it('[UPD21] is not left without a model by evidence that its disk cannot read', async () => {
    const { world, one } = await worldOfOne();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    life.stop();
    const evidence = join(world.folder, 'models/sample/a/evidence.json');
    await rm(evidence);
    await mkdir(evidence);
    await writeFile(join(world.folder, 'factory/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    expect(await runs(life)).toBe(one.manifest.digest);
  });

  it('[UPD17] goes on answering after a rollback to a place that is damaged, by the next one behind it', async () => {
    const { world, one, two } = await worldOfTwo();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    life.receive(world.assignment(two, {}, { soak: { ...long, requestsMin: 1_000_000 } }));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    life.stop();
    await writeFile(join(world.folder, 'models/sample/a/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    for (let i = 0; i < 20; i++) life.updates.meter('sample', two.manifest.digest)?.failed();
    await world.until(life, async () => {
      const by = await runs(life);
      expect(by).toBeDefined();
      return by === world.factory.manifest.digest;
    });
    expect(life.updates.describe()[0]).toMatchObject({ active: 'factory' });
  });

  it('[UPD4] goes on with what it shall leave, as long as nothing else can be loaded', async () => {
    const { world, one, two } = await worldOfTwo();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    await bring(world, life, world.assignment(two), 'confirmed');
    life.stop();
    await writeFile(join(world.folder, 'models/sample/a/edge.onnx'), new Uint8Array(10));
    await writeFile(join(world.folder, 'factory/edge.onnx'), new Uint8Array(10));
    life = await start(world);
    const quarantined = [two.manifest.digest];
    await bring(world, life, world.assignment(undefined, { quarantined }), 'quarantined');
    const startedMs = world.clock.nowMs();
    await world.until(life, async () => {
      expect(await runs(life)).toBe(two.manifest.digest);
      return world.clock.nowMs() - startedMs > 60_000;
    });
    life.stop();
    life = await start(world);
    expect(await runs(life)).toBe(two.manifest.digest);
  });

  it('[UPD16] whose last good bundle has ended its process again and again still begins with it', async () => {
    const { world, one, two } = await worldOfTwo();
    let life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    await bring(world, life, world.assignment(two), 'confirmed');
    life.stop();
    await writeFile(join(world.folder, 'models/sample/a/edge.onnx'), new Uint8Array(10));
    await writeFile(join(world.folder, 'factory/edge.onnx'), new Uint8Array(10));
    for (let i = 0; i < 5; i++) {
      life = await start(world);
      life.kill();
    }
    life = await start(world);
    expect(await runs(life)).toBe(two.manifest.digest);
  });

  it('[UPD7] goes on with its updates after a look at them has thrown', async () => {
    const { world, one } = await worldOfOne();
    const life = await start(world);
    life.receive(world.assignment(one));
    await world.until(life, () => stateOf(life) === 'soaking', false);
    let thrown = 0;
    Object.defineProperty(world.set, 'linkUp', {
      get() {
        thrown += 1;
        if (thrown === 1) throw new Error('a bug');
        return true;
      },
    });
    await world.until(life, () => stateOf(life) === 'confirmed');
  });

  it('[UPD6] loads what it goes back to once, also where an assignment comes meanwhile', async () => {
    const { world, one, two } = await worldOfTwo();
    const life = await start(world);
    await bring(world, life, world.assignment(one), 'confirmed');
    world.loads.length = 0;
    const quarantined = [one.manifest.digest];
    await bring(world, life, world.assignment(two, { quarantined }), 'confirmed');
    expect(world.loads.toSorted()).toEqual(['1.0.0', '1.2.0']);
  });
});
