import { assert, err, failure, ok } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { openLastingSession } from './lasting-session.ts';
import type { Runtime, Session } from './runtime.ts';

/** Runtimes of which each dies at its second run. */
function mortalRuntimes() {
  let made = 0;
  let open = 0;
  const createRuntime = (): Runtime => {
    made += 1;
    open += 1;
    let runs = 0;
    const session: Session = {
      inputs: [],
      outputs: [],
      run: async () => (++runs > 1 ? err(failure('unavailable', 'the worker died')) : ok({})),
      async close() {},
    };
    return {
      name: 'mortal',
      load: async () => ok(session),
      async close() {
        open -= 1;
      },
    };
  };
  return { createRuntime, counts: () => ({ made, open }) };
}

describe('a lasting session', () => {
  it('starts a new worker after the one that died, and closes what it opened', async () => {
    const { createRuntime, counts } = mortalRuntimes();
    const session = await openLastingSession(createRuntime, new Uint8Array());
    assert(session.ok, 'the session opens');
    expect(await session.value.run({})).toMatchObject({ ok: true });
    expect(session.value.alive()).toBe(true);
    expect(await session.value.run({})).toMatchObject({ error: { code: 'unavailable' } });
    expect(session.value.alive()).toBe(false);
    expect(await session.value.run({})).toMatchObject({ ok: true });
    expect(session.value.alive()).toBe(true);
    expect(counts()).toEqual({ made: 2, open: 1 });
    await session.value.close();
    expect(counts().open).toBe(0);
  });

  it('fails at once, and leaves no worker, where the bytes are no model', async () => {
    let open = 0;
    const createRuntime = (): Runtime => {
      open += 1;
      return {
        name: 'picky',
        load: async () => err(failure('invalid_bundle', 'no model')),
        async close() {
          open -= 1;
        },
      };
    };
    const session = await openLastingSession(createRuntime, new Uint8Array());
    expect(session).toMatchObject({ error: { code: 'invalid_bundle' } });
    expect(open).toBe(0);
  });
});
