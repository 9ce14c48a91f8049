import { silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { openOperators } from '../fleet/operators.ts';
import { sqliteDisk } from '../testing/sqlite-disk.ts';
import { createSqlOperatorTable } from './sql-operator-table.ts';

it('[IDN14] an operator has one role and one token, and none soon after they were taken away', async () => {
  const disk = sqliteDisk(createSqlOperatorTable);
  const table = await disk.open();
  const clock = createVirtualClock();
  await table.put({ name: 'ann', role: 'viewer', sha256: 'sha256:a' }, 1);
  const opened = await openOperators(1_000, table, { clock, log: silentLog });
  if (!opened.ok) throw new Error(opened.error.message);
  const { find, close } = opened.value;
  const read = async () => {
    clock.runNext(60_000);
    await table.list(); // After the reading, which was asked for first.
    await new Promise((resolve) => setImmediate(resolve));
  };
  expect(find('sha256:a')).toEqual({ name: 'ann', role: 'viewer' });
  await table.put({ name: 'ann', role: 'releaser', sha256: 'sha256:b' }, 2);
  await read();
  expect(find('sha256:a')).toBeUndefined();
  expect(find('sha256:b')).toEqual({ name: 'ann', role: 'releaser' });
  expect(await table.remove('ann')).toEqual({ ok: true, value: true });
  expect(await table.remove('ann')).toEqual({ ok: true, value: false });
  await read();
  expect(find('sha256:b')).toBeUndefined();
  close();
  await disk.close();
});
