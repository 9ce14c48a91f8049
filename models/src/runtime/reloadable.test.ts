import { ok } from '@skerry/shared';
import { expect, it } from 'vitest';
import { openReloadable } from './reloadable.ts';

it('a load that throws is its caller’s to hear of, and the next one is made all the same', async () => {
  let opened = 0;
  let closed = 0;
  const open = async () => {
    opened += 1;
    if (opened === 2) throw new Error('the disk is gone');
    const name = `n${opened}`;
    return ok({
      name,
      async close() {
        closed += 1;
      },
    });
  };
  const reloadable = await openReloadable(open);
  if (!reloadable.ok) throw new Error(reloadable.error.message);
  const { current, load, unload } = reloadable.value;
  await expect(load()).rejects.toThrow('the disk is gone');
  expect(current()?.name).toBe('n1');
  expect(await load()).toMatchObject({ ok: true });
  expect([current()?.name, closed]).toEqual(['n3', 1]);
  await unload();
  expect([current(), closed]).toEqual([undefined, 2]);
});
