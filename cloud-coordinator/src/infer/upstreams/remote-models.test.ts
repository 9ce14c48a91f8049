import type { TensorMap } from '@skerry/models';
import { err, failure, ok, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createRemoteModels } from './remote-models.ts';
import type { TensorRoute } from './tensor-route.ts';
import type { DescribedModel, Upstream } from './upstream.ts';

const described: DescribedModel = {
  version: '3',
  platform: 'onnxruntime_onnx',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
  ready: true,
};
const x: TensorMap = { x: { datatype: 'FP32', shape: [1], data: Float32Array.of(1) } };
const y: TensorMap = { y: { datatype: 'FP32', shape: [1], data: Float32Array.of(2) } };
const refreshEveryMs = 1_000;
const caller = { signal: () => new AbortController().signal };

/** A server whose models can be changed while it runs. */
function fresh(models: Readonly<Record<string, string>>, route: TensorRoute = async () => ok(y)) {
  const clock = createVirtualClock();
  const there = new Map<string, DescribedModel>();
  const server = { available: true };
  const away = err(failure('unavailable', 'away'));
  const upstream: Upstream = {
    name: 'server',
    health: async () => ok(undefined),
    list: async () => (server.available ? ok([...there.keys()]) : away),
    describe: async (model) => {
      const found = there.get(model);
      if (!server.available) return away;
      return found === undefined ? err(failure('model_not_found', model)) : ok(found);
    },
  };
  const remote = createRemoteModels(
    [{ upstream, models }],
    { refreshEveryMs, refreshTimeoutMs: 100 },
    { pool: { isAvailable: () => server.available }, route, clock, log: silentLog },
  );
  onTestFinished(remote.close);
  const names = () => remote.models().map(({ description }) => description.name);
  const nextLook = async () => {
    clock.runNext(clock.nowMs() + refreshEveryMs);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { remote, there, server, names, nextLook };
}

it('a model of an upstream is served by our name for it, and found where its server was away at first', async () => {
  const { remote, there, names, nextLook } = fresh({ mine: 'theirs' });
  await remote.refresh();
  expect(names()).toEqual([]);
  there.set('theirs', described).set('other', described);
  await nextLook();
  expect(names()).toEqual(['mine']);
  const [model] = remote.models();
  expect(model?.description).toMatchObject({
    name: 'mine',
    version: '3',
    inputs: described.inputs,
  });
  expect(model?.ready()).toBe(true);
});

it('all models of a server that answers for all are served', async () => {
  const { remote, there, names } = fresh({ '*': '*' });
  there.set('a', described).set('b', described);
  await remote.refresh();
  expect(names()).toEqual(['a', 'b']);
});

it('a model whose server is gone, or says so, is known and not ready', async () => {
  const { remote, there, server, names, nextLook } = fresh({ a: 'a' });
  there.set('a', described);
  await remote.refresh();
  const ready = () => remote.models().map((model) => model.ready());
  there.set('a', { ...described, ready: false });
  await nextLook();
  expect(ready()).toEqual([false]);
  there.set('a', described);
  await nextLook();
  expect(ready()).toEqual([true]);
  server.available = false;
  expect(ready()).toEqual([false]);
  await nextLook();
  server.available = true;
  expect(ready()).toEqual([false]);
  expect(names()).toEqual(['a']);
});

it('what is asked of it goes to the upstream with what is left of the deadline, and is counted', async () => {
  const asked: unknown[][] = [];
  const { remote, there } = fresh({ a: 'a' }, async (...ask) => {
    asked.push(ask.slice(0, 4));
    return ok(y);
  });
  there.set('a', described);
  await remote.refresh();
  const [model] = remote.models();
  const ask = (parameters: Record<string, number>) =>
    model?.infer(
      { inputs: x, parameters, binary: () => false },
      { ...caller, deadlineLeftMs: 900 },
    );
  expect(await ask({ skerry_deadline_ms: 300 })).toMatchObject({ value: { outputs: y } });
  expect(await ask({ skerry_deadline_ms: -1 })).toMatchObject({
    error: { code: 'invalid_argument' },
  });
  expect(asked).toEqual([['a', x, ['y'], 300]]);
  expect(model?.statistics.read()).toMatchObject({ success: { count: 1 } });
});

it('its statistics go on while it is the same, and begin anew where it takes something else', async () => {
  const { remote, there } = fresh({ a: 'a' });
  there.set('a', described);
  await remote.refresh();
  await remote.models()[0]?.infer({ inputs: x, parameters: {}, binary: () => false }, caller);
  await remote.refresh();
  expect(remote.models()[0]?.statistics.read().executions).toBe(1);
  there.set('a', { ...described, version: '4' });
  await remote.refresh();
  expect(remote.models()[0]).toMatchObject({ description: { version: '4' } });
  expect(remote.models()[0]?.statistics.read().executions).toBe(0);
});
