import type { Tensor } from '@skerry/models';
import { createRandom, err, failure, ok, silentLog } from '@skerry/shared';
import type { CoordinatorStore, Escalation } from '@skerry/sync-protocol';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createVirtualClock,
  sampleExchange,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { inlineInputs } from './blob-inputs.ts';
import type { CloudHalf } from './cloud-half.ts';
import { createCloudModels } from './cloud-models.ts';
import { createServe } from './serve.ts';

const variant = `sha256:${'a'.repeat(64)}`;
const device = 'device-1';

/** A half that says what its row says: class 1 where the byte is odd. */
function halfOf(run?: CloudHalf['run']): CloudHalf {
  const answer = async (row: Tensor) =>
    ok(Number(row.data[0]) % 2 === 1 ? Float32Array.of(0, 9) : Float32Array.of(9, 0));
  return {
    model: 'digits',
    version: '1.0.0',
    variant,
    stage: 'cloud',
    input: { name: 'cut', datatype: 'UINT8', shape: [1, 1] },
    exit: 2,
    temperature: 1,
    calibration: { variant, exits: [] },
    run: run ?? answer,
  };
}

function escalation(requestId: string, change: Partial<Escalation> = {}): Escalation {
  return {
    kind: 'escalation',
    requestId,
    model: 'digits',
    version: '1.0.0',
    variant,
    stage: 'cloud',
    input: { name: 'cut', datatype: 'UINT8', shape: [1, 1], codec: 'raw', data: Uint8Array.of(1) },
    local: { exit: 1, label: 0, confidence: 0.5 },
    deadlineLeftMs: 100,
    ...change,
  };
}

interface Fixture {
  readonly run?: CloudHalf['run'];
  /** Takes no answer. */
  readonly storeIsAway?: boolean;
  readonly appendDown?: (store: CoordinatorStore) => CoordinatorStore['appendDown'];
  readonly disk?: ReturnType<typeof createMemoryCoordinatorDisk>;
  readonly windowMax?: number;
}

function fresh({ run, storeIsAway = false, windowMax = 100, ...fixture }: Fixture = {}) {
  const disk = fixture.disk ?? createMemoryCoordinatorDisk();
  const store = createMemoryCoordinatorStore(disk);
  const clock = createVirtualClock();
  const models = createCloudModels(() => [halfOf(run)]);
  const answered: string[] = [];
  /** Request ids whose inputs are referred to. */
  const kept = new Set<string>();
  const serve = createServe(
    { windowMax, attemptsMax: 3, backoff: { initialMs: 10, maxMs: 100 } },
    {
      store: storeIsAway
        ? { ...store, appendDown: async () => err(failure('storage_failed', 'the disk is full')) }
        : { ...store, ...(fixture.appendDown && { appendDown: fixture.appendDown(store) }) },
      models,
      inputs: {
        ...inlineInputs,
        keep: async ({ body }) => void kept.add(body.requestId),
        release: async ({ body }) => void kept.delete(body.requestId),
      },
      clock,
      random: createRandom(1),
      log: silentLog,
      onAnswer: (to, outcome) => answered.push(`${to}:${outcome.kind}`),
    },
  );
  let seq = 0;
  const accept = async (...bodies: readonly Escalation[]) => {
    const ops = bodies.map((body) => ({ seq: ++seq, atMs: 0, body }));
    const accepted = await store.accept(sampleExchange({ device, ops }), 0);
    expect(accepted.ok).toBe(true);
  };
  /** Lets promises and timers run until nothing happens any more. */
  const settle = async () => {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = clock.runNext(clock.nowMs() + 60_000) ? 0 : quiet + 1;
    }
  };
  const answers = async () => {
    const down = await store.downOpsAfter(device, 0, 1_000, 1e9);
    const bodies = down.ok ? down.value.ops.map((op) => op.body) : [];
    return bodies.filter((body) => body.kind === 'answer');
  };
  return { disk, serve, models, accept, settle, answers, answered, kept };
}

describe('serving escalations', () => {
  it('answers each with what the whole network says', async () => {
    const { serve, accept, settle, answers, answered } = fresh();
    const body = escalation('r1');
    await accept(body);
    serve.take({ device, body });
    await settle();
    expect(await answers()).toMatchObject([
      { requestId: 'r1', outcome: { kind: 'answered', exit: 2, label: 1, variant } },
    ]);
    expect(answered).toEqual(['device-1:answered']);
  });

  const input = escalation('x').input;
  it.each<[string, Partial<Escalation>]>([
    ['model_not_found', { model: 'letters' }],
    ['model_not_found', { version: '2.0.0' }],
    ['digest_mismatch', { variant: `sha256:${'b'.repeat(64)}` }],
    ['invalid_argument', { stage: 'edge' }],
    ['invalid_tensor', { input: { ...input, shape: [1, 2] } }],
  ])('answers with %s what it cannot answer, and the next as ever', async (code, change) => {
    const { serve, accept, settle, answers } = fresh();
    const bodies = [escalation('bad', change), escalation('good')];
    await accept(...bodies);
    for (const body of bodies) serve.take({ device, body });
    await settle();
    const outcomes = Object.fromEntries((await answers()).map((a) => [a.requestId, a.outcome]));
    expect(outcomes).toMatchObject({
      bad: { kind: 'failed', code },
      good: { kind: 'answered' },
    });
  });

  it('tries again what the runtime failed at, and answers with the failure in the end', async () => {
    let runs = 0;
    const run: CloudHalf['run'] = async () => {
      runs += 1;
      return err(failure('runtime_failed', 'out of memory'));
    };
    const { serve, accept, settle, answers } = fresh({ run });
    const body = escalation('r1');
    await accept(body);
    serve.take({ device, body });
    await settle();
    expect(runs).toBe(3);
    expect(await answers()).toMatchObject([
      { outcome: { kind: 'failed', code: 'runtime_failed' } },
    ]);
  });

  it('answers with a failure where the logits are no numbers', async () => {
    const { serve, accept, settle, answers } = fresh({
      run: async () => ok(Float32Array.of(Number.NaN, 1)),
    });
    const body = escalation('r1');
    await accept(body);
    serve.take({ device, body });
    await settle();
    expect(await answers()).toMatchObject([{ outcome: { kind: 'failed' } }]);
  });

  it('leaves in the store what its window does not hold, and loses none of it', async () => {
    const { serve, accept, settle, answers } = fresh({ windowMax: 4 });
    const bodies = Array.from({ length: 50 }, (_, i) => escalation(`r${i}`));
    await accept(...bodies);
    for (const body of bodies) serve.take({ device, body });
    await settle();
    const all = await answers();
    expect(all.map((answer) => answer.requestId).sort()).toEqual(
      bodies.map((body) => body.requestId).sort(),
    );
    expect(all.every((answer) => answer.outcome.kind === 'answered')).toBe(true);
  });

  it('keeps room for whom an app waits for, whatever devices have gathered', async () => {
    const asked: Parameters<CloudHalf['run']>[1][] = [];
    const never: CloudHalf['run'] = (_, urgency) => {
      asked.push(urgency);
      return new Promise(() => {});
    };
    const { serve, accept, settle } = fresh({ run: never, windowMax: 4 });
    const gathered = Array.from({ length: 9 }, (_, i) =>
      escalation(`r${i}`, { deadlineLeftMs: 0 }),
    );
    const awaited = escalation('now', { deadlineLeftMs: 100 });
    await accept(...gathered, awaited);
    for (const body of [...gathered, awaited]) serve.take({ device, body });
    await settle();
    expect(asked.map(({ deadlineLeftMs }) => deadlineLeftMs)).toEqual([0, 0, 0, 100]);
  });

  it('tells the model what is left of a deadline, at each try', async () => {
    const lefts: number[] = [];
    const run: CloudHalf['run'] = async (_, { deadlineLeftMs }) => {
      lefts.push(deadlineLeftMs);
      return err(failure('runtime_failed', 'out of memory'));
    };
    const { serve, accept, settle } = fresh({ run });
    const body = escalation('r1', { deadlineLeftMs: 1_000 });
    await accept(body);
    serve.take({ device, body });
    await settle();
    expect(lefts).toHaveLength(3);
    expect(lefts[0]).toBe(1_000);
    expect(lefts).toEqual([...new Set(lefts)].sort((a, b) => b - a));
  });

  it('takes up after a restart what was accepted and not answered, each once', async () => {
    const never: CloudHalf['run'] = () => new Promise(() => {});
    const before = fresh({ run: never });
    const bodies = [escalation('r1'), escalation('r2')];
    await before.accept(...bodies);
    for (const body of bodies) before.serve.take({ device, body });
    await before.settle();
    expect(await before.answers()).toEqual([]);

    const after = fresh({ disk: before.disk });
    await after.serve.catchUp();
    await after.settle();
    await after.serve.catchUp();
    await after.settle();
    expect((await after.answers()).map((answer) => answer.requestId)).toEqual(['r1', 'r2']);
  });

  it('[UPF2] lets go of an input with its answer, and keeps it where it closes before the store has taken one', async () => {
    const before = fresh({ storeIsAway: true });
    const body = escalation('r1');
    await before.accept(body);
    before.serve.take({ device, body });
    await new Promise((resolve) => setImmediate(resolve));
    await before.serve.close();
    expect([...before.kept]).toEqual(['r1']);

    const after = fresh({ disk: before.disk });
    await after.serve.catchUp();
    await after.settle();
    expect(await after.answers()).toMatchObject([{ requestId: 'r1' }]);
    expect([...after.kept]).toEqual([]);
  });

  it('[REP7] what another coordinator left open is answered, once it was seen twice', async () => {
    const { serve, accept, settle, answers } = fresh();
    await accept(escalation('left'));
    await serve.adopt();
    await settle();
    expect(await answers()).toEqual([]);
    await serve.adopt();
    await serve.adopt();
    await settle();
    expect(await answers()).toMatchObject([{ requestId: 'left' }]);
  });

  it('[QUA4] [NEV3] one that meets a bug is answered as failed, once, and the others are answered', async () => {
    const fixture = {
      run: async (row: Tensor) => {
        if (row.data[0] === 7) throw new Error('a bug');
        return ok(Float32Array.of(0, 9));
      },
      windowMax: 2,
    };
    const { disk, serve, accept, settle, answers, kept } = fresh(fixture);
    const poison = { ...input, data: Uint8Array.of(7) };
    await accept(escalation('r1', { input: poison }), escalation('r2'), escalation('r3'));
    await serve.catchUp();
    await settle();
    const told = (await answers()).sort((a, b) => (a.requestId < b.requestId ? -1 : 1));
    expect(told).toMatchObject([
      { requestId: 'r1', outcome: { kind: 'failed', code: 'internal', message: 'a bug' } },
      { requestId: 'r2', outcome: { kind: 'answered' } },
      { requestId: 'r3', outcome: { kind: 'answered' } },
    ]);
    expect(kept.size).toBe(0);
    const again = fresh({ ...fixture, disk });
    await again.serve.catchUp(); // Nothing is the first again.
    await again.settle();
    expect(await again.answers()).toHaveLength(3);
  });

  it('[COD6] [NEV3] an answer that could never be sent is told as a failure', async () => {
    const { disk, serve, accept, settle, answers } = fresh({
      appendDown: (store) => async (to, body, nowMs) =>
        body.outcome.kind === 'answered'
          ? err(failure('too_large', 'a message long'))
          : store.appendDown(to, body, nowMs),
    });
    await accept(escalation('r1'));
    await serve.catchUp();
    await settle();
    expect(await answers()).toMatchObject([{ requestId: 'r1', outcome: { code: 'too_large' } }]);
    expect(disk.open.size).toBe(0);
  });

  it('[QUA4] a bug that its answer meets too leaves it open, and the window free', async () => {
    const run = async () => Promise.reject(new Error('a bug'));
    const { disk, serve, accept, settle } = fresh({
      run,
      appendDown: () => () => Promise.reject(new Error('another bug')),
    });
    await accept(escalation('r1'));
    await serve.catchUp();
    await settle();
    expect(disk.open.size).toBe(1);
    await serve.close();
  });
});
