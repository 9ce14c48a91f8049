import type { TensorMap } from '@skerry/models';
import { ok, requestDeadlineMsMax } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createServingEntry } from './serving-entry.ts';

const x: TensorMap = { x: { datatype: 'FP32', shape: [1], data: Float32Array.of(1) } };
const spec = { name: 'x', datatype: 'FP32', shape: [1] } as const;

const limits = {
  rowsMax: 1,
  delayMs: 0,
  slots: 1,
  queueRowsMax: 1,
  timeoutAction: 'reject',
  defaultTimeoutMs: 0,
  allowTimeoutOverride: false,
  priorities: 1,
} as const;
const signal = () => new AbortController().signal;

it('a client waits no longer than its transport does, whatever its request says', async () => {
  const clock = createVirtualClock();
  const { served } = createServingEntry(
    { name: 'm', version: '1', platform: 'p', inputs: [spec], outputs: [spec], properties: {} },
    false,
    limits,
    {
      clock,
      // Nobody answers.
      execute: () => new Promise(() => {}),
      ready: () => true,
      loaded: () => true,
      onBatch() {},
    },
  );
  const ask = (parameters: Record<string, number>, deadlineLeftMs: number) =>
    served.infer({ inputs: x, parameters, binary: () => false }, { signal, deadlineLeftMs });
  void ask({}, 1_000);
  const asked = ask({ skerry_deadline_ms: 500 }, 50);
  clock.runNext(50);
  expect(clock.nowMs()).toBe(50);
  expect(await asked).toMatchObject({ error: { code: 'deadline_exceeded' } });
});

it('a client is refused while the model is unloaded, also where an upstream answers, and not for a dead worker', async () => {
  let loaded = true;
  const { served } = createServingEntry(
    { name: 'm', version: '1', platform: 'p', inputs: [spec], outputs: [spec], properties: {} },
    false,
    limits,
    {
      clock: systemClock,
      execute: async () => ok(x),
      ready: () => false,
      loaded: () => loaded,
      onBatch() {},
    },
  );
  const ask = () => served.infer({ inputs: x, parameters: {}, binary: () => false }, { signal });
  expect(await ask()).toMatchObject({ value: { outputs: x } });
  loaded = false;
  expect(await ask()).toMatchObject({ error: { code: 'unavailable' } });
});

it('a client may ask for no longer a place in the queue than anybody may wait', async () => {
  const { served } = createServingEntry(
    { name: 'm', version: '1', platform: 'p', inputs: [spec], outputs: [spec], properties: {} },
    false,
    limits,
    {
      clock: systemClock,
      execute: async () => ok(x),
      ready: () => true,
      loaded: () => true,
      onBatch() {},
    },
  );
  const ask = (timeout: number) =>
    served.infer({ inputs: x, parameters: { timeout }, binary: () => false }, { signal });
  expect(await ask(requestDeadlineMsMax * 1_000)).toMatchObject({ ok: true });
  expect(await ask(requestDeadlineMsMax * 1_000 + 1)).toMatchObject({
    error: { code: 'invalid_argument' },
  });
});
