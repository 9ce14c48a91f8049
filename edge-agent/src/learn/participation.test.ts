import { setImmediate as turn } from 'node:timers/promises';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import {
  decodeUpdate,
  type LearnPlan,
  type LearnTask,
  learnPlanBytes,
  type QueryPlan,
  queryPlanBytes,
  vectorBytes,
} from '@skerry/sync-protocol/learn';
import { sampleLearnPlan, sampleLearnTask } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteExampleStore } from '../adapters/sqlite-example-store.ts';
import { type LearnLife, type LearnWorld, startLearnLife } from '../testing/learn-life.ts';

const plan = sampleLearnPlan({
  model: 'm',
  layout: { tensors: [{ name: 'w', shape: [3] }] },
  batch: 5,
  examplesMin: 5,
  examplesMax: 100,
});

function createWorld(examples = 10) {
  const database = unwrap(openDatabase(':memory:'));
  onTestFinished(() => void database.close());
  const store = createSqliteExampleStore(database, {
    examplesMax: 1_000,
    bytesMax: 1_000_000,
    retentionMs: 1,
  });
  for (let i = 0; i < examples; i++)
    unwrap(
      store.add({
        id: `e${i}`,
        model: 'm',
        label: i % 2 === 0 ? 'x' : 'y',
        source: 'person',
        use: 'train',
        keptMs: i,
        expiresMs: 1e12,
        datatype: 'UINT8',
        shape: [2],
        data: Uint8Array.of(i, 0),
      }),
    );
  const parameters = vectorBytes(Float32Array.of(1, 2, 3));
  const ref = { digest: sha256(parameters), bytes: parameters.length };
  const world: LearnWorld = {
    database,
    clock: createVirtualClock(1_780_000_000_000),
    cloud: new Map([[ref.digest, parameters]]),
    set: {
      conditions: { waiting: 0, idleForMs: 60_000, unmetered: true },
      consent: { people: true, cloud: false },
      trainMs: 1_000,
    },
    terms: {
      idleMsMin: 10_000,
      charging: 'required',
      batteryShareMin: 0.3,
      celsiusMax: 75,
      metered: 'declines',
    },
    privacy: { updates: 'any', labels: 'told', budget: { epsilonMax: 8, delta: 1e-6 } },
    steered: [],
    trained: 0,
  };
  const lives: LearnLife[] = [];
  const start = (): LearnLife => {
    for (const life of lives) life.kill();
    const life = startLearnLife(world);
    lives.push(life);
    life.participation.wake();
    return life;
  };
  const task = (more: Partial<LearnTask> = {}, planned: Partial<LearnPlan> = {}): LearnTask =>
    sampleLearnTask({
      work: { type: 'train', plan: learnPlanBytes({ ...plan, ...planned }), parameters: ref },
      ...more,
    });
  /** Lets time pass, step by step. */
  const pass = async (ms: number) => {
    const untilMs = world.clock.nowMs() + ms;
    for (;;) {
      for (let i = 0; i < 5; i++) await turn();
      if (!world.clock.runNext(untilMs)) break;
    }
    for (let i = 0; i < 5; i++) await turn();
  };
  const vectorOf = (digest: string) =>
    unwrap(
      decodeUpdate(plan.layout, plan.compression, world.cloud.get(digest) ?? new Uint8Array()),
    );
  return { world, set: world.set, start, task, pass, ref, vectorOf, parameters };
}

describe('a task', () => {
  it('is answered with an update of the plan’s length', async () => {
    const { start, task, pass, vectorOf } = createWorld();
    const life = start();
    life.receive(task());
    await pass(5_000);
    const [reply] = life.replies();
    expect(reply).toMatchObject({
      result: { type: 'trained', examples: 10, steps: 2, completed: 1, metrics: { loss: 0.5 } },
    });
    if (reply?.result.type !== 'trained') throw new Error('it has trained');
    expect([...vectorOf(reply.result.update.digest)]).toEqual([1, 1, 1]);
  });

  it('[LEA10] is answered once, wherever the device dies and however often the task comes', async () => {
    for (let at = 0; at <= 1_200; at += 100) {
      const { world, start, task, pass } = createWorld();
      const first = start();
      first.receive(task());
      await pass(at);
      const second = start();
      await pass(at);
      second.receive(task());
      await pass(5_000);
      const third = start();
      third.receive(task());
      await pass(5_000);
      expect(third.replies()).toHaveLength(1);
      expect(world.trained).toBeLessThanOrEqual(2);
    }
  });

  it('[LEA9] gives way to the next one of its run, and to its end', async () => {
    const { world, start, task, pass } = createWorld();
    const life = start();
    life.receive(task({ round: 1 }));
    await pass(500);
    life.receive(task({ round: 2 }));
    await pass(5_000);
    expect(life.replies().map(({ round }) => round)).toEqual([2]);
    life.receive(task({ round: 3 }));
    await pass(500);
    life.receive(task({ round: 3, work: { type: 'end', reason: 'over' } }));
    await pass(5_000);
    expect(life.replies().map(({ round }) => round)).toEqual([2]);
    expect(world.trained).toBe(1);
  });

  it('[LEA13] that kills the device each time is begun only so often', async () => {
    const { start, task, pass } = createWorld();
    start().receive(task({ deadlineLeftMs: 1e9 }));
    for (let life = 0; life < 3; life++) {
      await pass(500);
      start();
    }
    const last = start();
    await pass(5_000);
    expect(last.replies()).toMatchObject([{ result: { type: 'failed', code: 'internal' } }]);
  });

  it('waits where the outbox is full, and is answered when there is room', async () => {
    const { set, start, task, pass } = createWorld();
    set.isFull = true;
    const life = start();
    life.receive(task());
    await pass(5_000);
    expect(life.participation.view()).toMatchObject({
      doing: { kind: 'waiting', reason: 'the outbox is full' },
    });
    set.isFull = false;
    await pass(20_000);
    expect(life.replies()).toMatchObject([{ result: { type: 'trained' } }]);
  });

  it('fails where the client’s thread dies', async () => {
    const { set, start, task, pass } = createWorld();
    set.dies = true;
    const life = start();
    life.receive(task());
    await pass(5_000);
    expect(life.replies()).toMatchObject([{ result: { type: 'failed', code: 'internal' } }]);
  });
});

describe('a query', () => {
  const query = (more: Partial<QueryPlan> = {}): LearnTask['work'] => ({
    type: 'query',
    question: 'labels',
    plan: queryPlanBytes({
      version: 3,
      model: 'm',
      base: plan.base,
      question: { kind: 'labels', labels: ['y', 'z', 'x'] },
      examplesMax: 100,
      seed: 1,
      ...more,
    }),
  });
  const replyTo = async (
    work: LearnTask['work'],
    change: (world: ReturnType<typeof createWorld>) => void = () => {},
    examples = 9,
  ) => {
    const made = createWorld(examples);
    change(made);
    const life = made.start();
    life.receive(made.task({ work }));
    await made.pass(5_000);
    return life.replies().map(({ result }) => result);
  };

  it('[LEA19] is answered with counts by label name, and of labels that were not asked for with none', async () => {
    const values = { 'cell-0': 4, 'cell-1': 0, 'cell-2': 5 };
    expect(await replyTo(query())).toEqual([{ type: 'queried', examples: 9, values }]);
    const x: QueryPlan['question'] = { kind: 'labels', labels: ['x'] };
    expect(await replyTo(query({ question: x }))).toEqual([
      { type: 'queried', examples: 5, values: { 'cell-0': 5 } },
    ]);
  });

  it('[LEA19] counts of inputs the bins that they are in, and nothing else', async () => {
    const measured = { kind: 'inputs', from: 0, to: 4, bins: 4 } as const;
    // An input is (i, 0): its mean is i / 2, and so is its deviation; 4 is in the last bin.
    for (const measure of ['mean', 'deviation'] as const)
      expect(await replyTo(query({ version: 4, question: { ...measured, measure } }))).toEqual([
        {
          type: 'queried',
          examples: 9,
          values: { 'cell-0': 2, 'cell-1': 2, 'cell-2': 2, 'cell-3': 3 },
        },
      ]);
  });

  it('[LEA19] is of no more examples than it says', async () => {
    const [result] = await replyTo(query({ examplesMax: 4 }));
    expect(result).toMatchObject({ type: 'queried', examples: 4 });
  });

  it('[LEA19] of a version that is not known is told, and no failure', async () => {
    expect(await replyTo(query({ version: 9 } as unknown as QueryPlan))).toEqual([
      { type: 'declined', reason: 'plan-unknown' },
    ]);
  });

  it('[LEA19] is declined without consent and without examples', async () => {
    const withdrawn = await replyTo(query(), ({ set }) => {
      set.consent = { people: false, cloud: false };
    });
    expect(withdrawn).toEqual([{ type: 'declined', reason: 'no-consent' }]);
    const few = [{ type: 'declined', reason: 'too-few-examples' }];
    expect(await replyTo(query(), undefined, 0)).toEqual(few);
  });

  it('[LEA19] gets none in the clear where the device tells no labels, or masks all that it says', async () => {
    for (const terms of [{ labels: 'masked' }, { updates: 'masked' }] as const) {
      const [result] = await replyTo(query(), ({ world }) => {
        Object.assign(world, { privacy: { ...world.privacy, ...terms } });
      });
      expect(result).toMatchObject({ type: 'failed', code: 'permission_denied' });
    }
  });
});

describe('a device declines', () => {
  const declined = async (
    reason: string,
    change: (world: ReturnType<typeof createWorld>) => Partial<LearnPlan> | undefined,
    examples = 10,
  ) => {
    const made = createWorld(examples);
    const planned = change(made) ?? {};
    const life = made.start();
    life.receive(made.task({}, planned));
    await made.pass(70_000);
    expect(life.replies()).toMatchObject([{ result: { type: 'declined', reason } }]);
    expect(made.world.trained).toBe(0);
  };
  const with_ =
    (more: Partial<LearnWorld['set']['conditions']>) => (w: ReturnType<typeof createWorld>) => {
      w.set.conditions = { ...w.set.conditions, ...more };
      return undefined;
    };

  it('[LEA11] with the reason, where it may not or cannot', async () => {
    await declined('hot', with_({ celsius: 80 }));
    await declined('battery', with_({ batteryShare: 0.2 }));
    await declined('not-charging', with_({ batteryShare: 0.9, discharging: true }));
    await declined('metered', with_({ unmetered: false }));
    await declined('busy', with_({ waiting: 1 }));
    await declined('not-idle', with_({ idleForMs: 0 }));
    await declined('too-few-examples', () => undefined, 4);
    await declined('too-few-examples', () => ({ model: 'other' }));
    await declined('no-consent', ({ set }) => {
      set.consent = { people: false, cloud: false };
      return undefined;
    });
    await declined('network-unknown', () => ({ network: { kind: 'named', name: 'other' } }));
    const graph = { kind: 'bundle', variant: 'fp32', digest: `sha256:${'b'.repeat(64)}` } as const;
    await declined('network-unknown', () => ({ version: 2, network: graph }));
    await declined('plan-unknown', () => ({ version: 3 }) as unknown as Partial<LearnPlan>);
    await declined('too-late', ({ set }) => {
      set.isCut = true;
      return undefined;
    });
  });

  it('[LEA11] but waits for a moment in which nobody asks it, in part of the round’s time', async () => {
    const { set, start, task, pass } = createWorld();
    set.conditions = { ...set.conditions, waiting: 1 };
    const life = start();
    life.receive(task());
    await pass(10_000);
    expect(life.participation.view()).toMatchObject({ doing: { kind: 'waiting', reason: 'busy' } });
    set.conditions = { ...set.conditions, waiting: 0 };
    await pass(5_000);
    expect(life.replies()).toMatchObject([{ result: { type: 'trained' } }]);
  });
});

describe('training', () => {
  it('[LEA12] pauses while somebody waits for the device', async () => {
    const { world, set, start, task, pass } = createWorld();
    const life = start();
    life.receive(task());
    await pass(300);
    set.conditions = { ...set.conditions, waiting: 1, idleForMs: 0 };
    await pass(100);
    expect(life.participation.view()).toMatchObject({ doing: { kind: 'running', paused: true } });
    set.conditions = { ...set.conditions, waiting: 0 };
    await pass(5_000);
    expect(world.steered).toEqual(['go', 'pause', 'go']);
    expect(life.replies()).toMatchObject([{ result: { type: 'trained', completed: 1 } }]);
  });

  it('[LEA12] ends in time, and when the device gets hot, and what is done by then is sent', async () => {
    for (const hot of [false, true]) {
      const { world, set, start, task, pass } = createWorld();
      set.trainMs = 1e6;
      const life = start();
      life.receive(task());
      await pass(1_000);
      if (hot) set.conditions = { ...set.conditions, celsius: 80 };
      await pass(hot ? 1_000 : 58_000);
      expect(world.steered.at(-1)).toBe('stop');
      expect(life.replies()).toMatchObject([{ result: { type: 'trained', completed: 0.5 } }]);
    }
  });

  it('[LEA12] that does not hear that it shall end is ended past its deadline', async () => {
    const { world, set, start, task, pass } = createWorld();
    set.trainMs = 1e6;
    set.isDeaf = true;
    const life = start();
    life.receive(task());
    await pass(60_000);
    expect(life.participation.view()).toMatchObject({ doing: { kind: 'running' } });
    await pass(10_000);
    expect(life.replies()).toMatchObject([{ result: { type: 'declined', reason: 'too-late' } }]);
    expect(world.trained).toBe(0);
  });
});

describe('a withdrawn consent', () => {
  const none = { people: false, cloud: false };

  it('[LEA1] ends a training under way, and the coordinator is told', async () => {
    const { world, start, task, pass } = createWorld();
    const life = start();
    life.receive(task());
    await pass(500);
    unwrap(life.participation.withdraw('other'));
    expect(life.replies()).toEqual([]);
    unwrap(life.participation.withdraw('m'));
    await pass(5_000);
    expect(life.replies()).toMatchObject([{ result: { type: 'declined', reason: 'no-consent' } }]);
    expect(world.trained).toBe(0);
    expect(life.participation.view()).toEqual({ doing: { kind: 'nothing' } });
  });

  it('[LEA1] is heard while parameters come and while an update is kept', async () => {
    const coming = createWorld();
    coming.set.linkMs = 1_000;
    const first = coming.start();
    first.receive(coming.task());
    await coming.pass(500);
    coming.set.consent = none;
    await coming.pass(5_000);
    expect(first.replies()).toMatchObject([{ result: { reason: 'no-consent' } }]);
    expect(coming.world.trained).toBe(0);

    const going = createWorld();
    going.set.linkMs = 1_000;
    const second = going.start();
    second.receive(going.task());
    await going.pass(2_500);
    expect(going.world.trained).toBe(1);
    unwrap(second.participation.withdraw('m'));
    await going.pass(5_000);
    expect(second.replies()).toMatchObject([{ result: { reason: 'no-consent' } }]);
    expect([...going.world.cloud.keys()]).toEqual([going.ref.digest]);
  });
});

describe('a device’s own terms', () => {
  it('[LEA17] it sends no more noised updates than its budget allows, over all runs', async () => {
    const { start, task, pass } = createWorld();
    const life = start();
    const outcomes: string[] = [];
    for (let round = 1; round <= 4; round++) {
      life.receive(task({ run: `run-${round}`, round }, { clipNorm: 1, localNoise: 1 }));
      await pass(5_000);
      const result = life.replies().find((reply) => reply.round === round)?.result;
      outcomes.push(result?.type === 'failed' ? result.code : (result?.type ?? ''));
    }
    // ε of ρ = 0.5 n at δ = 1e-6: 5.3, 7.9, 10.
    expect(outcomes).toEqual(['trained', 'trained', 'budget_spent', 'budget_spent']);
  });

  it('[LEA18] where it sends masked updates alone, a plain round gets none', async () => {
    const { world, start, task, pass } = createWorld();
    Object.assign(world, { privacy: { ...world.privacy, updates: 'masked' } });
    const life = start();
    life.receive(task());
    await pass(5_000);
    expect(life.replies()).toMatchObject([
      { result: { type: 'failed', code: 'permission_denied' } },
    ]);
    expect(world.trained).toBe(0);
  });
});
