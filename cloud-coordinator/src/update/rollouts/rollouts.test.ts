import { err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import type { OpenOp } from '@skerry/sync-protocol';
import { describe, expect, it } from 'vitest';
import { readEvents } from '../../event-log/event-log.ts';
import { type EventStore, eventCharsMax } from '../../event-log/event-store.ts';
import {
  createMemoryAssignmentStore,
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../../testing/memory-rollout-stores.ts';
import { createModelFleet, type ModelFleetOptions } from '../../testing/model-fleet.ts';
import { goodBehaviour } from '../../testing/model-health.ts';
import {
  candidateDigest,
  digestOf,
  incumbentDigest,
  sampleBundleRef,
  sampleHealth,
  samplePlan,
} from '../../testing/sample-rollout.ts';
import { evaluateExperiment } from './evaluate-experiment.ts';
import { fleetFolding } from './fleet-state.ts';
import type { FleetDevice } from './ports.ts';
import { successorsMin } from './retire-rollouts.ts';
import { rolloutEventSchema } from './rollout-event.ts';
import { replay } from './rollout-state.ts';
import { openRollouts, type Rollouts, type RolloutsPorts } from './rollouts.ts';
import { timeToSafe } from './time-to-safe.ts';

const stepMs = 10_000;
const minuteMs = 60_000;
const laterDigest = digestOf('c');
const given = { by: 'an operator', reason: 'so' };

async function world(options: Partial<ModelFleetOptions> = {}) {
  const clock = createVirtualClock(1_750_000_000_000);
  const disk = createMemoryRolloutDisk();
  const fleet = createModelFleet({
    devices: 100,
    seed: 1,
    bundles: [
      sampleBundleRef(incumbentDigest, '1.0.0'),
      sampleBundleRef(candidateDigest, '1.1.0'),
      sampleBundleRef(laterDigest, '1.2.0'),
    ],
    ...options,
  });
  const open = async (
    store: EventStore = createMemoryEventStore(disk),
    ops: RolloutsPorts['ops'] = fleet.ops,
    limits: Parameters<typeof openRollouts>[1] = {},
  ): Promise<Rollouts> => {
    const ports: RolloutsPorts = {
      store,
      assignments: createMemoryAssignmentStore(disk, fleet.ops),
      ops,
      devices: fleet.directory,
      bundles: fleet.bundles,
      signer: fleet.signer,
      clock,
      log: silentLog,
    };
    const opened = await openRollouts(ports, limits);
    if (!opened.ok) throw new Error(opened.error.message);
    return opened.value;
  };
  const pass = async (ms: number, ...coordinators: Rollouts[]): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.runNext(clock.nowMs() + stepMs);
      fleet.step(clock.nowMs());
      for (const each of coordinators) await each.turn();
    }
  };
  const runs = (digest: string): number =>
    fleet.devices.filter((device) => device.running() === digest).length;
  return { clock, disk, fleet, open, pass, runs };
}
const phaseOf = (rollouts: Rollouts, id = 'digits-1') => rollouts.get(id)?.phase;
const expectOk = (result: { readonly ok: boolean }) => expect(result).toMatchObject({ ok: true });

describe('rollouts at work', () => {
  it('[ROL19] bring a fleet to a good version, wave by wave', async () => {
    const { open, pass, runs, disk } = await world();
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(2 * minuteMs, rollouts);
    expect(phaseOf(rollouts)).toMatchObject({ kind: 'running', wave: 0 });
    expect(runs(candidateDigest)).toBeLessThanOrEqual(20);
    await pass(20 * minuteMs, rollouts);
    expect(phaseOf(rollouts)).toMatchObject({ kind: 'completed' });
    expect(runs(candidateDigest)).toBeGreaterThan(97);
    // And the log alone tells the same.
    const log = readEvents(disk.logs.get('digits-1') ?? [], rolloutEventSchema);
    expect(replay(log.ok ? log.value : [])).toEqual(rollouts.get('digits-1'));
  });

  it('[ROL20] catch a version that answers worse in the canary, and leave nobody on it', async () => {
    const bad = { ...goodBehaviour, auditMiss: 0.4 };
    const { open, pass, runs, fleet } = await world({ behaviours: { [candidateDigest]: bad } });
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(10 * minuteMs, rollouts);
    expect(phaseOf(rollouts)).toMatchObject({ kind: 'rolled-back', wave: 0 });
    expect(rollouts.get('digits-1')?.verdict?.reasons[0]).toMatch(/^audits: /);
    expect(runs(candidateDigest)).toBe(0);
    expect(fleet.fetches.length).toBeLessThanOrEqual(20);
    expect([...rollouts.fleet().quarantined.keys()]).toEqual([candidateDigest]);
    const again = await rollouts.create(samplePlan({ id: 'digits-2' }), 'an operator');
    expect(again).toMatchObject({ error: { message: expect.stringContaining('quarantined') } });
  });

  it('[ROL20] turn back who had confirmed, moving no bytes, and who was away when it returns', async () => {
    const { open, pass, runs, fleet } = await world();
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, rollouts);
    const fetched = fleet.fetches.length;
    const [away] = fleet.devices.filter((device) => device.running() === candidateDigest);
    fleet.setOnline(away?.name ?? '', false);
    await pass(minuteMs, rollouts);
    expectOk(await rollouts.rollBack('digits-1', given));
    await pass(2 * minuteMs, rollouts);
    expect(phaseOf(rollouts)?.kind).toBe('rolled-back');
    expect(runs(candidateDigest)).toBe(1);
    const state = rollouts.get('digits-1');
    expect(state && timeToSafe(state)).toMatchObject({ owed: [away?.name] });
    fleet.setOnline(away?.name ?? '', true);
    await pass(2 * minuteMs, rollouts);
    expect(runs(incumbentDigest)).toBe(100);
    expect(fleet.fetches).toHaveLength(fetched);
    expect(rollouts.why(away?.name ?? '')).toEqual(['digits-1: is back on what it ran before']);
  });

  it('[DIR3] offer each device the deltas that it reads', async () => {
    const { disk, fleet, clock } = await world({ devices: 3 });
    const forms = [[1, 2], [2], undefined];
    const offer = (letter: string) => ({
      target: candidateDigest,
      blob: { digest: digestOf(letter), bytes: 9 },
    });
    const opened = await openRollouts({
      ...fleet,
      store: createMemoryEventStore(disk),
      assignments: createMemoryAssignmentStore(disk, fleet.ops),
      devices: {
        async list(...page) {
          const listed = await fleet.directory.list(...page);
          const withForms = (each: FleetDevice, i: number): FleetDevice =>
            forms[i] === undefined ? each : { ...each, deltas: forms[i] };
          return listed.ok ? ok(listed.value.map(withForms)) : listed;
        },
      },
      bundles: {
        ...fleet.bundles,
        deltasTo: async () =>
          ok([
            { form: 1, offer: offer('d') },
            { form: 2, offer: offer('e') },
          ]),
      },
      clock,
      log: silentLog,
    });
    if (!opened.ok) throw new Error(opened.error.message);
    const gate = { devicesMin: 1 };
    expectOk(await opened.value.create(samplePlan({ waves: [{}], gate }), 'an operator'));
    expectOk(await opened.value.turn());
    const offered = [...disk.issued.values()].map(({ assignment: { models } }) =>
      models[0]?.deltas.map(({ blob }) => blob.digest),
    );
    expect(offered).toEqual([[digestOf('d'), digestOf('e')], [digestOf('e')], [digestOf('d')]]);
  });

  it('[ROL21] stop the whole fleet with no rollout, and go on', async () => {
    const { open, pass, runs, fleet } = await world({ fetchMs: 5 * minuteMs });
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(2 * minuteMs, rollouts);
    const begun = fleet.fetches.length;
    expect(begun).toBeGreaterThan(10);
    expectOk(await rollouts.stop(given));
    await pass(20 * minuteMs, rollouts);
    expect(runs(candidateDigest)).toBe(0);
    expect(fleet.fetches).toHaveLength(begun);
    expect(rollouts.why('digits-1')[0]).toBe('the fleet is stopped by an operator: so');
    expectOk(await rollouts.resumeFleet(given));
    await pass(60 * minuteMs, rollouts);
    expect(runs(candidateDigest)).toBeGreaterThan(97);
  });

  it('[ROL21] quarantine a bundle with no rollout: who runs it goes to its other slot', async () => {
    const { open, pass, runs } = await world();
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, rollouts);
    expectOk(await rollouts.quarantine(candidateDigest, given));
    await pass(minuteMs, rollouts);
    expect(runs(candidateDigest)).toBe(0);
  });

  it('[ROL25] tell of an emergency though something else fails in every turn', async () => {
    const { open, pass, fleet, disk } = await world();
    const whole = await open();
    expectOk(await whole.create(samplePlan(), 'an operator'));
    await pass(2 * minuteMs, whole);
    const failing = await open(undefined, {
      ...fleet.ops,
      openOps: async () => err(failure('storage_failed', 'a table is damaged')),
    });
    expectOk(await failing.stop(given));
    expect(await failing.turn()).toMatchObject({ error: { code: 'storage_failed' } });
    const modes = [...disk.issued.values()].map(({ assignment }) => assignment.mode);
    expect(modes.length).toBeGreaterThan(10);
    expect(new Set(modes)).toEqual(new Set(['stop']));
  });

  it('[ROL26] set a report aside that no log could hold, and take the others', async () => {
    const { open, pass, fleet, runs } = await world();
    const aside: number[] = [];
    let huge: number | undefined;
    const labels = Array.from({ length: eventCharsMax / 2 }, () => 1);
    const rollouts = await open(undefined, {
      ...fleet.ops,
      // One that got past every border: the first that there is.
      async openOps(...asked) {
        const found = await fleet.ops.openOps(...asked);
        if (!found.ok) return found;
        huge ??= found.value[0]?.id;
        const grown = found.value.map((each): OpenOp => {
          const { body } = each;
          if (each.id !== huge || body.kind !== 'update-report') return each;
          return { ...each, body: { ...body, health: sampleHealth(1, { labels }) } };
        });
        return ok(grown);
      },
      async quarantineOp(op, ...why) {
        aside.push(op);
        return fleet.ops.quarantineOp(op, ...why);
      },
    });
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, rollouts);
    expect(aside).toEqual([huge]);
    expect(phaseOf(rollouts)?.kind).toBe('completed');
    expect(runs(candidateDigest)).toBeGreaterThan(97);
  });

  it('[ROL22] over a kill between any two writes, tell each device each thing once', async () => {
    const whole = await world({ devices: 40 });
    const calm = await whole.open();
    await calm.create(samplePlan({ waves: [{ count: 20 }, {}] }), 'an operator');
    await whole.pass(15 * minuteMs, calm);
    expect(phaseOf(calm)?.kind).toBe('completed');

    const { open, pass, disk, runs } = await world({ devices: 40 });
    const first = await open();
    await first.create(samplePlan({ waves: [{ count: 20 }, {}] }), 'an operator');
    // Every third write fails from the side of the coordinator, before or after it is durable; each time a new one starts.
    let writes = 0;
    const store = createMemoryEventStore(disk);
    const mortal = async (write: () => Promise<Result<boolean>>): Promise<Result<boolean>> => {
      const died = err(failure('unavailable', 'killed'));
      if (++writes % 3 === 0) return died;
      const appended = await write();
      return writes % 3 === 1 ? died : appended;
    };
    const dying: EventStore = {
      ...store,
      append: (...args) => mortal(() => store.append(...args)),
      appendAll: (appends) => mortal(() => store.appendAll(appends)),
    };
    for (let i = 0; i < 90; i++) await pass(stepMs, await open(dying));
    expect(phaseOf(await open())?.kind).toBe('completed');
    expect(runs(candidateDigest)).toBe(whole.runs(candidateDigest));
    const counters = (world: typeof disk) =>
      [...world.issued.values()].map(({ assignment }) => assignment.counter);
    expect(counters(disk)).toEqual(counters(whole.disk));
    expect(Math.max(...counters(disk))).toBe(1);
  });

  it('[ROL22] tell what another has written down and was killed before it told', async () => {
    const { open, pass, disk, runs } = await world({ devices: 40 });
    const store = createMemoryEventStore(disk);
    // Durable, and then the one who wrote it is gone.
    const first = await open({
      ...store,
      async appendAll(appends) {
        await store.appendAll(appends);
        return err(failure('unavailable', 'killed'));
      },
    });
    expectOk(await first.create(samplePlan({ waves: [{ count: 20 }, {}] }), 'an operator'));
    const second = await open();
    expect(await first.turn()).toMatchObject({ error: { message: 'killed' } });
    // At once, and not only when the silent ones are given up.
    await pass(3 * minuteMs, second);
    expect(runs(candidateDigest)).toBeGreaterThan(10);
    await pass(12 * minuteMs, second);
    expect(phaseOf(second)?.kind).toBe('completed');
  });

  it('[ROL23] of two coordinators on one database, decide once', async () => {
    const { open, pass, disk, runs } = await world({ devices: 60 });
    const [one, two] = [await open(), await open()];
    expectOk(await one.create(samplePlan(), 'an operator'));
    expect(await two.create(samplePlan({ id: 'digits-2' }), 'another')).toMatchObject({
      error: { message: expect.stringContaining('digits-1 of digits is running') },
    });
    await pass(20 * minuteMs, one, two);
    expect(phaseOf(one)?.kind).toBe('completed');
    expect(two.get('digits-1')?.phase).toEqual(phaseOf(one));
    expect(runs(candidateDigest)).toBeGreaterThan(57);
    for (const { assignment } of disk.issued.values()) expect(assignment.counter).toBe(1);
    const waves = (disk.logs.get('digits-1') ?? []).filter((text) => text.includes('"judged"'));
    expect(waves).toHaveLength(3);
  });

  it('[ROL23] of two that are asked for one model at once, begin one rollout', async () => {
    const { open, pass } = await world({ devices: 60 });
    const [one, two] = [await open(), await open()];
    const asked = await Promise.all([
      one.create(samplePlan(), 'an operator'),
      two.create(samplePlan({ id: 'digits-2', version: '1.2.0' }), 'another'),
    ]);
    expect(asked.filter(({ ok }) => ok)).toHaveLength(1);
    expect(asked.find(({ ok }) => !ok)).toMatchObject({ error: { code: 'invalid_argument' } });
    await pass(minuteMs, one, two);
    expect(one.list()).toHaveLength(1);
  });

  it('[ROL23] begin another when who has claimed the model was killed before it began', async () => {
    const { open, pass, disk } = await world({ devices: 60 });
    const store = createMemoryEventStore(disk);
    const killed = await open({
      ...store,
      append: async (log, ...more) =>
        log === 'fleet' ? store.append(log, ...more) : err(failure('unavailable', 'killed')),
    });
    expect(await killed.create(samplePlan(), 'an operator')).toMatchObject({ ok: false });
    const next = await open();
    const other = samplePlan({ id: 'digits-2' });
    expect(await next.create(other, 'another')).toMatchObject({
      error: { message: 'digits-1 of digits is about to begin' },
    });
    await pass(2 * minuteMs, next);
    expectOk(await next.create(other, 'another'));
  });

  it('[ROL31] of two coordinators that give moments away in the same instant, for two rollouts, hold one line', async () => {
    const { open, disk } = await world({ devices: 50 });
    const store = createMemoryEventStore(disk);
    /** Which writes to no log of this rollout. */
    const without = (rollout: string, before = async () => {}): EventStore => ({
      ...store,
      async appendAll(appends) {
        await before();
        const isIts = appends.some(({ log }) => log === rollout);
        return isIts ? err(failure('unavailable', 'killed')) : store.appendAll(appends);
      },
    });
    const herd = { fetchesPerMinute: 60, activationsPerMinute: 60 };
    const first = await open();
    for (const id of ['digits-1', 'words-1']) {
      const model = id.slice(0, -2);
      expectOk(await first.create(samplePlan({ id, model, waves: [{}], herd }), 'an operator'));
    }
    const other = await open(without('digits-1'));
    // When it has planned, and before it writes.
    let turns = 0;
    const between = async (): Promise<void> => {
      if (++turns === 2) await other.turn();
    };
    await (await open(without('words-1', between))).turn();
    const issues = ['digits-1', 'words-1'].flatMap((id) => {
      const events = readEvents(disk.logs.get(id) ?? [], rolloutEventSchema);
      return (events.ok ? events.value : []).flatMap((event) =>
        event.kind === 'issued' ? event.issues : [],
      );
    });
    expect(issues).toHaveLength(100);
    for (const of of ['fetchAtMs', 'activateAtMs'] as const) {
      const moments = issues.map((issue) => issue[of]).sort((a, b) => a - b);
      moments.slice(1).forEach((at, i) => {
        expect(at - (moments[i] as number)).toBeGreaterThanOrEqual(minuteMs / 60);
      });
    }
    expect(disk.logs.get('fleet/line')).toHaveLength(2);
  });

  it('[ROL31] whose line cannot be read give nobody a moment, and turn devices back all the same', async () => {
    const { open, pass, runs, disk } = await world({ devices: 40 });
    const first = await open();
    expectOk(await first.create(samplePlan(), 'an operator'));
    await pass(2 * minuteMs, first);
    expect(runs(candidateDigest)).toBeGreaterThan(0);
    const told = disk.issued.size;
    disk.logs.get('fleet/line')?.push('{"kind":"drawn"}');
    const again = await open();
    await pass(20 * minuteMs, again);
    expect(disk.issued.size).toBe(told);
    expect(told).toBeLessThan(40);
    expect(await again.turn()).toMatchObject({ error: { code: 'storage_failed' } });
    expectOk(await again.rollBack('digits-1', given));
    await pass(2 * minuteMs, again);
    expect(runs(candidateDigest)).toBe(0);
  });

  it('[ROL16] keep what a completed rollout gave until a later one takes over, also when that is undone', async () => {
    const bad = { ...goodBehaviour, auditMiss: 0.5 };
    const { open, pass, runs, fleet } = await world({ behaviours: { [laterDigest]: bad } });
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, rollouts);
    const before = runs(candidateDigest);
    expectOk(
      await rollouts.create(samplePlan({ id: 'digits-2', version: '1.2.0' }), 'an operator'),
    );
    fleet.add('newcomer');
    await pass(15 * minuteMs, rollouts);
    expect(phaseOf(rollouts, 'digits-2')?.kind).toBe('rolled-back');
    expect(phaseOf(rollouts)?.kind).toBe('completed');
    expect(runs(laterDigest)).toBe(0);
    expect(runs(candidateDigest)).toBe(before + 1);
  });

  it('[ROL30] fold the fleet’s rules when their log is long, and what is in force stays so', async () => {
    const { open, pass, disk } = await world({ devices: 10 });
    const [rollouts, behind] = [await open(), await open()];
    expectOk(await rollouts.create(samplePlan({ waves: [{}], gate: { devicesMin: 5 } }), 'me'));
    await pass(minuteMs, rollouts, behind);
    expectOk(await rollouts.quarantine(laterDigest, given));
    expectOk(await rollouts.stop(given));
    await pass(minuteMs, rollouts);
    for (let i = 0; i < fleetFolding.eventsMax; i++)
      expectOk(await rollouts[i % 2 ? 'release' : 'quarantine'](incumbentDigest, given));
    expect(disk.logs.get('fleet')?.length).toBeGreaterThan(fleetFolding.eventsMax);
    const line = disk.logs.get('fleet/line') ?? [];
    line.push(...new Array<string>(64).fill(line[0] ?? ''));
    expectOk(await rollouts.turn());
    expect(line).toHaveLength(2);
    expect(disk.logs.get('fleet')).toHaveLength(fleetFolding.eventsKept + 1);
    const told = structuredClone(disk.issued);
    const fresh = await open();
    for (const each of [fresh, behind, rollouts]) {
      expectOk(await each.turn());
      expect([...each.fleet().quarantined]).toEqual([[laterDigest, given.reason]]);
      expect(each.fleet().stopped).toMatchObject(given);
      expect(each.fleet().claims.get('digits')).toMatchObject({ rollout: 'digits-1' });
    }
    expect(disk.issued).toEqual(told);
    expectOk(await fresh.resumeFleet(given));
    expectOk(await rollouts.turn());
    expect(rollouts.fleet().stopped).toBeUndefined();
  });

  it('[ROL28] [ROL29] forget those that nothing rests on, and after a restart tell each device the same', async () => {
    const { open, pass, disk, clock, fleet } = await world({ devices: 10 });
    const rollouts = await open();
    for (let i = 0; i <= successorsMin; i++) {
      const version = i % 2 === 0 ? '1.1.0' : '1.2.0';
      const plan = { id: `digits-${i}`, version, waves: [{}], gate: { devicesMin: 5 } };
      expectOk(await rollouts.create(samplePlan(plan), 'an operator'));
      await pass(6 * minuteMs, rollouts);
      expect(phaseOf(rollouts, `digits-${i}`)?.kind).toBe('completed');
    }
    const last = `digits-${successorsMin}`;
    const [flapping] = fleet.devices;
    fleet.setOnline(flapping?.name ?? '', false);
    await pass(minuteMs, rollouts);
    const length = disk.logs.get(last)?.length;
    for (const online of [true, false, true]) {
      fleet.setOnline(flapping?.name ?? '', online);
      await pass(minuteMs, rollouts);
    }
    expect(disk.logs.get(last)).toHaveLength(length ?? 0);
    clock.runNext(clock.nowMs() + 2 * 3_600_000);
    const retention = { endedMax: 0, endedMs: 1e12 };
    const again = await open(createMemoryEventStore(disk), fleet.ops, { retention });
    const told = structuredClone(disk.issued);
    expectOk(await again.turn());
    expect(again.list().map(({ plan }) => plan.id)).not.toContain('digits-0');
    expect(again.list()).toHaveLength(successorsMin);
    const third = await open();
    for (const each of [again, third, rollouts]) {
      expectOk(await each.turn());
      expect(each.get('digits-0')).toBeUndefined();
    }
    expect(disk.issued).toEqual(told);
    expect(await third.create(samplePlan({ id: 'digits-0' }), 'me')).toMatchObject({ ok: false });
  });

  it('[ROL16] keep an older one in force where a later one does not reach', async () => {
    const { open, pass, fleet, runs } = await world({ devices: 40 });
    const rollouts = await open();
    const small = { waves: [{}], gate: { devicesMin: 5 } };
    const plan = (id: string, version: string, site: string) =>
      samplePlan({ ...small, id, version, select: { sites: [site] } });
    const [away] = fleet.devices;
    fleet.setOnline(away?.name ?? '', false);
    expectOk(await rollouts.create(plan('digits-1', '1.1.0', 'site-0'), 'an operator'));
    await pass(10 * minuteMs, rollouts);
    expectOk(await rollouts.create(plan('digits-2', '1.2.0', 'site-1'), 'an operator'));
    await pass(10 * minuteMs, rollouts);
    expect(phaseOf(rollouts, 'digits-2')?.kind).toBe('completed');
    expect(runs(laterDigest)).toBe(20);
    // Who was away for the older one gets it, and its order still counts.
    fleet.setOnline(away?.name ?? '', true);
    await pass(5 * minuteMs, rollouts);
    expect(away?.running()).toBe(candidateDigest);
    expectOk(await rollouts.rollBack('digits-1', given));
    await pass(3 * minuteMs, rollouts);
    expect(phaseOf(rollouts)?.kind).toBe('rolled-back');
    expect(runs(candidateDigest)).toBe(0);
    expect(runs(laterDigest)).toBe(20);
  });

  it('[ROL16] let the version that mends it begin while one is turning back', async () => {
    const { open, pass, runs } = await world();
    const rollouts = await open();
    expectOk(await rollouts.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, rollouts);
    expectOk(await rollouts.rollBack('digits-1', given));
    await rollouts.turn();
    expect(phaseOf(rollouts)?.kind).toBe('rolling-back');
    const mended = samplePlan({ id: 'digits-2', version: '1.2.0' });
    expectOk(await rollouts.create(mended, 'an operator'));
    await pass(20 * minuteMs, rollouts);
    expect(phaseOf(rollouts)?.kind).toBe('rolled-back');
    expect(phaseOf(rollouts, 'digits-2')?.kind).toBe('completed');
    expect(runs(candidateDigest)).toBe(0);
    expect(runs(laterDigest)).toBeGreaterThan(97);
  });

  it('[EXP1] compare two arms over devices that find their own, and complete', async () => {
    const { open, pass, runs } = await world({ devices: 100 });
    const rollouts = await open();
    const { device } = samplePlan();
    const experiment = { id: 'trial-1', candidateShare: 0.5 };
    const plan = samplePlan({ waves: [{ count: 40 }, {}], device: { ...device, experiment } });
    expectOk(await rollouts.create(plan, 'an operator'));
    await pass(20 * minuteMs, rollouts);
    const state = rollouts.get('digits-1');
    expect(state?.phase.kind).toBe('completed');
    const report = state && evaluateExperiment(state);
    expect(report?.mismatch).toBe(false);
    expect(report?.candidateDevices).toBe(runs(candidateDigest));
    expect(report?.controlDevices).toBeGreaterThan(35);
  });

  it('[ROL24] are refused with the reasons where they could never end, and orders where they make no sense', async () => {
    const { open } = await world({ devices: 5 });
    const rollouts = await open();
    expect(await rollouts.create(samplePlan(), 'an operator')).toMatchObject({
      error: {
        code: 'invalid_argument',
        message: expect.stringContaining('the canary has 5 devices'),
      },
    });
    expect(await rollouts.pause('digits-1', given)).toMatchObject({ error: { code: 'not_found' } });
    const small = samplePlan({ waves: [{}], gate: { devicesMin: 2 } });
    expectOk(await rollouts.create(small, 'an operator'));
    expect(await rollouts.approve('digits-1', 'an operator')).toMatchObject({
      error: { message: 'digits-1 is running: it cannot be approved' },
    });
    expectOk(await rollouts.pause('digits-1', given));
    expectOk(await rollouts.resume('digits-1', given));
    expectOk(await rollouts.abort('digits-1', given));
    expect(await rollouts.create({ ...small, id: 'fleet' }, 'an operator')).toMatchObject({
      ok: false,
    });
  });

  it('[ROL27] put aside whose log cannot be read, hold what it may have in hand, and go on', async () => {
    const { open, pass, runs, disk } = await world({ devices: 40 });
    const first = await open();
    expectOk(await first.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, first);
    const later = { ...samplePlan({ id: 'digits-2', version: '1.2.0' }) };
    expectOk(await first.create(later, 'an operator'));
    await pass(2 * minuteMs, first);
    expect(runs(laterDigest)).toBeGreaterThan(0);
    await first.close();
    disk.logs.get('digits-2')?.push('{"kind":"approved"}');
    const again = await open();
    expect(again.list().map(({ plan }) => plan.id)).toEqual(['digits-1']);
    expect(again.why('digits-2')).toEqual([expect.stringMatching(/^digits-2 is put aside: a log/)]);
    expect(again.why('digits-1')[0]).toMatch(/^waits for digits-2, which is put aside/);
    expect(await again.pause('digits-2', given)).toMatchObject({
      error: { code: 'storage_failed' },
    });
    const moved = runs(laterDigest);
    await pass(10 * minuteMs, again);
    // The older one does not take them for devices that have gone astray.
    expect(phaseOf(again)?.kind).toBe('completed');
    expect(runs(laterDigest)).toBeGreaterThanOrEqual(moved);
    // One that begins now has all devices in its own hands.
    expectOk(await again.create({ ...later, id: 'digits-3' }, 'an operator'));
    await pass(minuteMs, again);
    expect(phaseOf(again, 'digits-3')?.kind).toBe('running');
  });

  it('[ROL16] leave a later one its devices, also after a start', async () => {
    const { open, pass, runs } = await world({ devices: 40 });
    const first = await open();
    expectOk(await first.create(samplePlan(), 'an operator'));
    await pass(20 * minuteMs, first);
    expectOk(await first.create(samplePlan({ id: 'digits-2', version: '1.2.0' }), 'an operator'));
    await pass(2 * minuteMs, first);
    const moved = runs(laterDigest);
    expect(moved).toBeGreaterThan(0);
    await first.close();
    const again = await open();
    await pass(minuteMs, again);
    expect(runs(laterDigest)).toBeGreaterThanOrEqual(moved);
  });
});
