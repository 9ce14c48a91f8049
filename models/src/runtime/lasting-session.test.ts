import { assert, err, failure, ok } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { openLastingSession } from './lasting-session.ts';
import { createResidency } from './residency.ts';
import type { Runtime, Session } from './runtime.ts';

/** A runtime whose sessions die at the run after `runsMax`. */
function mortalRuntime(runsMax = 1) {
  let loaded = 0;
  let open = 0;
  const runtime: Runtime = {
    name: 'mortal',
    executionProviders: ['cpu'],
    async load() {
      loaded += 1;
      open += 1;
      let runs = 0;
      const session: Session = {
        inputs: [],
        outputs: [],
        execution: () => ({ provider: 'cpu', refused: [] }),
        run: async () =>
          ++runs > runsMax ? err(failure('unavailable', 'the worker died')) : ok({}),
        async close() {
          open -= 1;
        },
      };
      return ok(session);
    },
    async close() {},
  };
  return { runtime, counts: () => ({ loaded, open }) };
}

const model = new Uint8Array();

describe('a lasting session', () => {
  it('is loaded again after its worker has died', async () => {
    const { runtime, counts } = mortalRuntime();
    const session = await openLastingSession(runtime, model);
    assert(session.ok, 'the session opens');
    expect(await session.value.run({})).toMatchObject({ ok: true });
    expect(session.value.alive()).toBe(true);
    expect(await session.value.run({})).toMatchObject({ error: { code: 'unavailable' } });
    expect(session.value.alive()).toBe(false);
    expect(await session.value.run({})).toMatchObject({ ok: true });
    expect(session.value.alive()).toBe(true);
    expect(counts()).toEqual({ loaded: 2, open: 1 });
    await session.value.close();
    expect(counts().open).toBe(0);
  });

  it('is loaded once for all the runs that wait for it', async () => {
    const { runtime, counts } = mortalRuntime(9);
    const residency = createResidency(10);
    const residence = { residency, bytes: 10 };
    const session = await openLastingSession(runtime, model, { residence });
    const other = await openLastingSession(runtime, model, { residence });
    assert(session.ok && other.ok, 'both open');
    const ran = await Promise.all([1, 2, 3].map(() => session.value.run({})));
    expect(ran.every(({ ok }) => ok)).toBe(true);
    expect(counts()).toEqual({ loaded: 3, open: 1 });
  });

  it('gives its memory to one that needs it, stays alive, and comes back with the next run', async () => {
    const { runtime, counts } = mortalRuntime(9);
    const residency = createResidency(25);
    const open = async () => {
      const residence = { residency, bytes: 10 };
      const session = await openLastingSession(runtime, model, { residence });
      assert(session.ok, 'the session opens');
      return session.value;
    };
    const sessions = [await open(), await open(), await open()] as const;
    expect(counts()).toEqual({ loaded: 3, open: 2 });
    expect(residency.bytes()).toBe(20);
    expect(sessions.every((session) => session.alive())).toBe(true);
    expect(await sessions[0].run({})).toMatchObject({ ok: true });
    expect(counts()).toEqual({ loaded: 4, open: 2 });
    await Promise.all(sessions.map((session) => session.close()));
    expect(counts().open).toBe(0);
    expect(residency.bytes()).toBe(0);
  });

  it('that is closed while it is loaded again leaves nothing behind', async () => {
    const { runtime, counts } = mortalRuntime();
    const residency = createResidency(10);
    const residence = { residency, bytes: 10 };
    const session = await openLastingSession(runtime, model, { residence });
    assert(session.ok, 'the session opens');
    await session.value.run({});
    await session.value.run({});
    const reloading = session.value.run({});
    await session.value.close();
    await reloading;
    expect(counts()).toEqual({ loaded: 2, open: 0 });
    expect(residency.bytes()).toBe(0);
  });

  it('fails at once, and holds no memory, where the bytes are no model', async () => {
    const picky: Runtime = {
      name: 'picky',
      executionProviders: ['cpu'],
      load: async () => err(failure('invalid_bundle', 'no model')),
      async close() {},
    };
    const residency = createResidency(10);
    const session = await openLastingSession(picky, model, { residence: { residency, bytes: 9 } });
    expect(session).toMatchObject({ error: { code: 'invalid_bundle' } });
    expect(residency.bytes()).toBe(0);
  });
});
