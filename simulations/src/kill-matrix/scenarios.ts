// What a device goes through while it is killed: an update with a shadow, a rollback, a return to what lies in the other
// slot, a quarantine, a stop. And what can be wrong with an update while nobody kills it. Each says how it must end.

import { appendFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type PublishedBundle,
  sampleDevice,
  type UpdateLife,
  type UpdateWorld,
} from '@skerry/edge-agent/testing';
import { failure } from '@skerry/shared';

export interface Scenario {
  readonly name: string;
  /** Undisturbed: up to where it begins. Returns what to do then, and when it has ended well. */
  begin(world: UpdateWorld, life: UpdateLife): Promise<Ending>;
}

export interface Ending {
  act(life: UpdateLife): void | Promise<void>;
  /** Asked again and again, of each life. */
  ended(life: UpdateLife): boolean | Promise<boolean>;
}

const stateOf = (life: UpdateLife): string =>
  life.updates.statusOf(sampleDevice.model)?.state ?? 'idle';
const waitingFor = (life: UpdateLife): string =>
  life.updates.statusOf(sampleDevice.model)?.waiting ?? '';

const runs = async (life: UpdateLife, { manifest }: PublishedBundle): Promise<boolean> =>
  (await life.ask())?.bundle === manifest.digest;

async function confirm(
  world: UpdateWorld,
  life: UpdateLife,
  bundle: PublishedBundle,
): Promise<void> {
  life.receive(world.assignment(bundle));
  await world.until(life, async () => stateOf(life) === 'confirmed' && (await runs(life, bundle)));
}

async function signed(
  world: UpdateWorld,
  version: string,
  scale: number,
): Promise<PublishedBundle> {
  const bundle = await world.publish(version, scale);
  world.sign(bundle);
  return bundle;
}

const shadow = { runsMin: 3, agreementMin: 0.9, shareMax: 1, latencyMsMax: 1_000 };

/** In which each write, each commit and each start is a moment to be killed. */
export const killed: readonly Scenario[] = [
  {
    name: 'update',
    async begin(world) {
      const next = await signed(world, '1.1.0', 32);
      return {
        act: (life) => life.receive(world.assignment(next, {}, { shadow })),
        ended: async (life) => stateOf(life) === 'confirmed' && (await runs(life, next)),
      };
    },
  },
  {
    name: 'rollback',
    async begin(world, life) {
      const [good, bad] = [await signed(world, '1.1.0', 32), await signed(world, '1.2.0', 64)];
      await confirm(world, life, good);
      return {
        act: (now) => now.receive(world.assignment(bad)),
        async ended(now) {
          if (stateOf(now) === 'soaking')
            for (let i = 0; i < 10; i++) now.updates.meter('sample', bad.manifest.digest)?.failed();
          return stateOf(now) === 'quarantined' && (await runs(now, good));
        },
      };
    },
  },
  {
    name: 'return',
    async begin(world, life) {
      const [one, two] = [await signed(world, '1.1.0', 32), await signed(world, '1.2.0', 64)];
      await confirm(world, life, one);
      await confirm(world, life, two);
      return {
        act: (now) => now.receive(world.assignment(one)),
        ended: async (now) => stateOf(now) === 'confirmed' && (await runs(now, one)),
      };
    },
  },
  {
    name: 'quarantine',
    async begin(world, life) {
      const [one, two] = [await signed(world, '1.1.0', 32), await signed(world, '1.2.0', 64)];
      await confirm(world, life, one);
      await confirm(world, life, two);
      const quarantined = [two.manifest.digest];
      return {
        act: (now) => now.receive(world.assignment(undefined, { quarantined })),
        ended: async (now) => stateOf(now) === 'quarantined' && (await runs(now, one)),
      };
    },
  },
  {
    name: 'stop',
    async begin(world, life) {
      const next = await signed(world, '1.1.0', 32);
      life.receive(world.assignment(next));
      await world.until(life, () => stateOf(life) === 'soaking', false);
      return {
        act: (now) => now.receive(world.assignment(undefined, { mode: 'stop' })),
        ended: async (now) => stateOf(now) === 'stopped' && (await runs(now, world.factory)),
      };
    },
  },
];

/** An update to 1.1.0 that meets `fault`, and how it must end. */
const update = (
  name: string,
  meet: (world: UpdateWorld, next: PublishedBundle) => Promise<Ending['ended']> | Ending['ended'],
  assign = (world: UpdateWorld, next: PublishedBundle): Uint8Array => world.assignment(next),
): Scenario => ({
  name,
  async begin(world) {
    const next = await signed(world, '1.1.0', 32);
    const ended = await meet(world, next);
    return { act: (life) => life.receive(assign(world, next)), ended };
  },
});

const refusedBy =
  (code: string) =>
  (life: UpdateLife): boolean =>
    stateOf(life) === 'refused' && life.reports().at(-1)?.reason?.code === code;
const notTaken =
  (why: string) =>
  (life: UpdateLife): boolean =>
    life.updates.refused()?.message.includes(why) ?? false;

/** A fault of the disk at rest, between two lives of a device that runs 1.1.0. */
const atRest = (
  name: string,
  damage: (world: UpdateWorld) => Promise<void>,
  ended: (life: UpdateLife, next: PublishedBundle) => Promise<boolean>,
): Scenario => ({
  name,
  async begin(world, life) {
    const next = await signed(world, '1.1.0', 32);
    await confirm(world, life, next);
    return {
      async act(now) {
        await damage(world);
        now.kill();
      },
      ended: (now) => ended(now, next),
    };
  },
});

const mends = async (life: UpdateLife, next: PublishedBundle): Promise<boolean> =>
  stateOf(life) === 'confirmed' && (await runs(life, next));
const slotFile = ({ folder }: UpdateWorld): string => join(folder, 'models/sample/a/edge.onnx');

export const faults: readonly Scenario[] = [
  update('disk full for a while', (world, next) => {
    let looks = 0;
    world.set.isFull = true;
    return async (life) => {
      if (looks++ === 50) world.set.isFull = false;
      return stateOf(life) === 'confirmed' && (await runs(life, next));
    };
  }),
  update('disk full for good', (world) => {
    world.set.isFull = true;
    return notTaken('durable');
  }),
  update('no room for it', (world) => {
    world.set.freeBytes = 1_000;
    return (life) => waitingFor(life).startsWith('disk: needs');
  }),
  update('corrupt blob, once', (world, next) => {
    const { digest, bytes } = next.manifest;
    world.set.corrupt.set(digest, new Uint8Array(bytes));
    return async (life) => {
      if (stateOf(life) === 'rolled-back') world.set.corrupt.clear();
      return stateOf(life) === 'confirmed' && (await runs(life, next));
    };
  }),
  update('corrupt blob, always', (world, next) => {
    for (const { digest, bytes } of next.files)
      world.set.corrupt.set(digest, new Uint8Array(bytes));
    return refusedBy('attempts');
  }),
  update('blob that the cloud does not have', (world, next) => {
    world.set.absent.add(next.manifest.digest);
    return refusedBy('attempts');
  }),
  update(
    'assignment signed by another',
    () => notTaken('mallory'),
    (world, next) => world.assignment(next, {}, {}, 'mallory'),
  ),
  update(
    'assignment of another device',
    () => notTaken('it is for device-2'),
    (world, next) => world.assignment(next, { device: 'device-2' }),
  ),
  update('bundle that nobody signed', (world, next) => {
    world.unsign(next);
    return refusedBy('untrusted');
  }),
  update('expired metadata', (world) => {
    world.set.trustFails = failure('expired', 'the timestamp has expired');
    return (life) => waitingFor(life).includes('expired');
  }),
  update('metadata that goes back', (world) => {
    world.set.trustFails = failure('untrusted', 'version 1 after version 2');
    return (life) => waitingFor(life).includes('version 1 after version 2');
  }),
  update(
    'mix and match: one version’s bytes, another’s name',
    () => refusedBy('untrusted'),
    (world, next) => world.assignment(next, {}, { target: world.factory.terms.target }),
  ),
  update(
    'mix and match: a manifest of another version',
    () => refusedBy('misfit'),
    (world, next) => world.assignment(next, {}, { version: '1.2.0' }),
  ),
  {
    name: 'replayed assignment',
    async begin(world, life) {
      const [one, two] = [await signed(world, '1.1.0', 32), await signed(world, '1.2.0', 64)];
      const old = world.assignment(one);
      life.receive(old);
      await world.until(life, () => stateOf(life) === 'confirmed');
      await confirm(world, life, two);
      return {
        act: (now) => now.receive(old),
        ended: async (now) => notTaken('a replay')(now) && (await runs(now, two)),
      };
    },
  },
  {
    name: 'candidate that says the opposite, in the shadow',
    async begin(world) {
      const bad = await signed(world, '1.1.0', -16);
      return {
        act: (life) => life.receive(world.assignment(bad, {}, { shadow })),
        ended: async (life) => stateOf(life) === 'quarantined' && (await runs(life, world.factory)),
      };
    },
  },
  {
    name: 'candidate that ends the process each time',
    async begin(world, life) {
      const bad = await signed(world, '1.1.0', 32);
      life.receive(world.assignment(bad));
      await world.until(life, () => stateOf(life) === 'soaking', false);
      life.stop();
      for (let starts = 0; starts < 3; starts++) {
        const again = await world.start();
        if (again.ok) again.value.kill();
      }
      return {
        act() {},
        ended: async (now) => stateOf(now) === 'quarantined' && (await runs(now, world.factory)),
      };
    },
  },
  atRest('torn file in the active slot', (world) => truncate(slotFile(world), 40), mends),
  atRest('flipped bits in the active slot', (world) => writeFile(slotFile(world), 'x'), mends),
  atRest(
    'another manifest in the active slot',
    (world) => appendFile(join(world.folder, 'models/sample/a/manifest.json'), ' '),
    mends,
  ),
  atRest(
    'damaged factory',
    (world) => truncate(join(world.folder, 'factory/edge.onnx'), 10),
    mends,
  ),
  atRest(
    'litter in both slots',
    async (world) => {
      for (const name of ['a/edge.onnx.draft', 'a/more.onnx', 'x'])
        await writeFile(join(world.folder, 'models/sample', name), 'x');
    },
    mends,
  ),
];
