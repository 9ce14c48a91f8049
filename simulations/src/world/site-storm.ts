// One run of a site: a storm over it, then the site alone heals, then the cloud comes back. What must hold: who reaches the
// relay agrees while the cloud is away, all agree when it is back, nothing that a device wrote is lost, nothing deleted
// comes back, and only the coordinator's word takes an op from an outbox.

import { createRandom, defined, type Random } from '@skerry/shared';
import type { SiteBug } from './site-device.ts';
import { createSiteWorld, type SiteView, type SiteWorld } from './site-world.ts';

export interface SiteViolation {
  readonly rule: string;
  readonly detail: string;
}

export interface SiteOutcome {
  readonly seed: number;
  readonly violation?: SiteViolation;
  readonly counts: {
    readonly edits: number;
    readonly cuts: number;
    readonly restarts: number;
    readonly epochs: number;
    /** Of them, those that began by age. */
    readonly aged: number;
    readonly lost: number;
  };
}

/** What was done, to judge by. */
interface Chronicle {
  readonly counts: { edits: number; cuts: number; restarts: number };
  /** Of each device, how often it has written its own counter: nobody else does. */
  readonly written: Map<string, number>;
  readonly measured: Map<string, number>;
  /** Leaves that the coordinator has had, by epoch. */
  readonly cloudSaw: Set<string>;
  /**
   * Leaves made by one and deleted by another that saw it: they are never made again. Where an epoch begins, only of what
   * the coordinator had in the epoch that they were deleted in: in one without a leaf nobody can say that it is gone
   * (decision 0040).
   */
  readonly deleted: Map<string, { readonly cloudHadIt: boolean }>;
}

const stepsPerRun = 60;
const names = ['relay', 'box-1', 'box-2', 'box-3'];
/** Short enough that a run crosses it several times. */
const retention = { horizonMs: 40_000, epochGapMs: 15_000 };

export async function siteStorm(seed: number, bug?: SiteBug): Promise<SiteOutcome> {
  const random = createRandom(seed);
  const hubLimits = bug === 'agesWithoutEnd' ? { horizonMs: 1_000, epochGapMs: 0 } : retention;
  const world = await createSiteWorld(names, random, { bug, lossShare: 0.1, hubLimits });
  const chronicle: Chronicle = {
    counts: { edits: 0, cuts: 0, restarts: 0 },
    written: new Map(),
    measured: new Map(),
    cloudSaw: new Set(),
    deleted: new Map(),
  };
  try {
    const violation = await run(world, random, chronicle);
    const epochs = (await world.readCloud()).epoch - 1;
    return {
      seed,
      ...(violation === undefined ? {} : { violation }),
      counts: { ...chronicle.counts, epochs, aged: world.agedMs.length, lost: world.lost() },
    };
  } finally {
    await world.close();
  }
}

async function run(
  world: SiteWorld,
  random: Random,
  chronicle: Chronicle,
): Promise<SiteViolation | undefined> {
  // All have been heard by the coordinator once: of whom it has never heard it can note nothing (decision 0040).
  await world.run(30_000);
  for (let i = 0; i < stepsPerRun; i++) {
    await step(world, random, chronicle);
    const violation = judge(world, chronicle);
    if (violation !== undefined) return violation;
  }
  world.stopLosing();
  for (const name of names) world.setLink('cloud', name, false);
  world.heal('site');
  for (const name of names) await edit(name, world, random, chronicle);
  await world.run(700_000);
  const apart = disagreement(await readAll(world));
  if (apart !== undefined) return { rule: 'RLY6', detail: `without the cloud: ${apart}` };
  world.heal('cloud');
  await world.run(1_400_000);
  const view = await world.readCloud();
  const still = wrongInTheEnd([...(await readAll(world)), view]);
  if (still !== undefined) return { rule: 'RLY6', detail: `with the cloud: ${still}` };
  return judgeEnd(view, chronicle) ?? judge(world, chronicle);
}

async function step(world: SiteWorld, random: Random, chronicle: Chronicle): Promise<void> {
  const { counts, measured, cloudSaw } = chronicle;
  const draw = random.next();
  const name = pick(random, names);
  if (draw < 0.4) await edit(name, world, random, chronicle);
  else if (draw < 0.5) await remove(name, world, random, chronicle);
  else if (draw < 0.6) {
    measured.set(name, (measured.get(name) ?? 0) + 1);
    world.measure(name);
  } else if (draw < 0.8) {
    counts.cuts++;
    world.setLink(pick(random, ['cloud', 'cloud', 'site'] as const), name, random.below(3) === 0);
  } else if (draw < 0.9) {
    counts.restarts++;
    if (random.below(4) === 0) await world.restartCloud();
    else await world.restart(name, random.below(4) === 0);
  } else if (draw < 0.93) {
    await world.beginEpoch();
  } else if (draw < 0.97) world.setCloudAhead((random.below(3) - 1) * 10 * retention.horizonMs);
  await world.run(random.below(4_000));
  const view = await world.readCloud();
  for (const leaf of leavesOf(view)) cloudSaw.add(`${view.epoch} ${leaf}`);
}

async function edit(
  name: string,
  world: SiteWorld,
  random: Random,
  { counts, written }: Chronicle,
): Promise<void> {
  counts.edits++;
  const times = (written.get(name) ?? 0) + 1;
  written.set(name, times);
  const shared = random.below(3);
  await world.edit(name, {
    own: { [name]: times },
    shared: { [`k${shared}`]: random.below(4) === 0 ? null : `${name} ${times}` },
    once: { [`${name}-${times}`]: 1 },
  });
}

async function remove(
  name: string,
  world: SiteWorld,
  random: Random,
  { deleted, cloudSaw }: Chronicle,
): Promise<void> {
  const view = await world.read(name);
  const seen = leavesOf(view);
  if (seen.length === 0) return;
  const leaf = pick(random, seen);
  deleted.set(leaf, { cloudHadIt: cloudSaw.has(`${view.epoch} ${leaf}`) });
  await world.edit(name, { once: { [leaf]: null } });
}

/** What must hold at any moment. */
function judge(world: SiteWorld, { measured }: Chronicle): SiteViolation | undefined {
  for (const name of names) {
    // Telemetry is never evicted here: what has left the outbox, the coordinator has.
    const waits = world
      .storeOf(name)
      .unacknowledged(1_000, 1e9)
      .filter(({ body }) => body.kind === 'telemetry').length;
    const has = world.accepted.get(name) ?? 0;
    if (waits + has < (measured.get(name) ?? 0))
      return { rule: 'RLY1', detail: `${name}: ${has} accepted and ${waits} wait` };
  }
  const gaps = world.agedMs.map((atMs, i) => atMs - (world.agedMs[i - 1] ?? 0));
  const least = Math.min(...gaps);
  return least < retention.epochGapMs
    ? { rule: 'DOC16', detail: `two epochs began by age within ${least} ms` }
    : undefined;
}

/** What must hold of what all have in the end. */
function judgeEnd(view: SiteView, { written, deleted }: Chronicle): SiteViolation | undefined {
  const own = view.value['own'] as Record<string, number> | undefined;
  for (const [name, times] of written)
    if (own?.[name] !== times)
      return { rule: 'RLY1', detail: `${name} wrote ${times}, all have ${own?.[name]}` };
  const back = leavesOf(view).filter((leaf) => {
    const gone = deleted.get(leaf);
    return gone !== undefined && (gone.cloudHadIt || view.epoch === 1);
  });
  return back.length > 0
    ? { rule: 'DOC10', detail: `deleted and back: ${back.join(' ')}` }
    : undefined;
}

const readAll = (world: SiteWorld): Promise<SiteView[]> =>
  Promise.all(names.map((name) => world.read(name)));

/** [RLY4] In different epochs they need not agree before they have heard the coordinator: only those in the relay's. */
function disagreement(views: readonly SiteView[]): string | undefined {
  const same = views.filter(({ epoch }) => epoch === views[0]?.epoch);
  return new Set(same.map(({ heads }) => heads)).size > 1
    ? JSON.stringify(same.map(({ value }) => value))
    : undefined;
}

function wrongInTheEnd(views: readonly SiteView[]): string | undefined {
  const epochs = new Set(views.map(({ epoch }) => epoch));
  return epochs.size > 1 ? `epochs ${[...epochs].join(' ')}` : disagreement(views);
}

const leavesOf = ({ value }: SiteView): string[] => Object.keys(value['once'] ?? {});

function pick<T>(random: Random, from: readonly T[]): T {
  return defined(from[random.below(from.length)], 'one of some');
}
