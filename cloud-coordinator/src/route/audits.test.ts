import { assert, err, failure, type Log, ok, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import type { Answer, DeviceStatus, Escalation } from '@skerry/sync-protocol';
import { sampleAnswer, sampleEscalation, sampleStatus } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSqlite } from '../adapters/open-sqlite.ts';
import { createSqlAuditTable } from '../adapters/sql-audit-table.ts';
import { type AuditTable, createAudits } from './audits.ts';

const dayMs = 86_400_000;
const { variant } = sampleEscalation('a');
const calibrated = {
  exit: 1,
  temperature: 1,
  threshold: 0.9,
  method: 'learn-then-test',
  epsilon: 0.01,
  delta: 0.1,
  n: 1_000,
} as const;
const half = { variant, calibration: { variant, exits: [calibrated] } };
const agrees: Answer['outcome'] = sampleAnswer('a').outcome;
const audit = (agreed: boolean): Escalation => ({
  ...sampleEscalation('a'),
  audit: 'exit',
  local: { exit: 1, label: agreed ? 1 : 0, confidence: 0.99 },
});
/** Of 100 requests, 80 left at the exit and 5 were degraded. */
const status: DeviceStatus = {
  ...sampleStatus(),
  models: [
    {
      name: 'digits',
      version: '1.0.0',
      variant,
      counts: { answered: 100, atExit: { 'exit:1': 80 }, degraded: 5 },
    },
  ],
};

async function open(log: Log = silentLog, wrap = (table: AuditTable): AuditTable => table) {
  const clock = createVirtualClock(100 * dayMs);
  const db = await openSqlite(':memory:');
  assert(db.ok, 'a database');
  onTestFinished(() => db.value.destroy());
  const table = wrap(createSqlAuditTable(db.value));
  const coordinator = () =>
    createAudits({ table, halves: () => [half], statuses: () => [status], clock, log });
  return { clock, coordinator };
}

describe('audits', () => {
  it('are counted by device and over the fleet, whichever coordinator has counted them', async () => {
    const { coordinator } = await open();
    const [one, other] = [coordinator(), coordinator()];
    for (let i = 0; i < 9; i++) one.answered('device-1', audit(true), agrees);
    one.answered('device-2', audit(false), agrees);
    other.answered('device-2', audit(true), agrees);
    await other.close();
    await one.close();
    const reports = await coordinator().report();
    expect(reports).toMatchObject({
      value: [
        {
          model: 'digits',
          variant,
          exit: 1,
          audited: 11,
          disagreed: 1,
          coverage: 0.8,
          degradedShare: 0.05,
          epsilon: 0.01,
          alarm: false,
        },
      ],
    });
    expect(await coordinator().report('device-2')).toMatchObject({
      value: [{ audited: 2, disagreed: 1 }],
    });
  });

  it('are neither escalations of which somebody waits for the answer, nor those that have none', async () => {
    const { coordinator } = await open();
    const audits = coordinator();
    audits.answered('device-1', sampleEscalation('a'), agrees);
    audits.answered('device-1', audit(true), { kind: 'failed', code: 'unavailable', message: '' });
    expect(await audits.report()).toEqual(ok([]));
  });

  it('of the cache are told apart from those of the exit', async () => {
    const { coordinator } = await open();
    const audits = coordinator();
    audits.answered('device-1', { ...audit(false), audit: 'cache' }, agrees);
    audits.answered('device-1', audit(true), agrees);
    const reports = await audits.report();
    expect(reports.ok && reports.value.map(({ exit, disagreed }) => [exit, disagreed])).toEqual(
      expect.arrayContaining([
        [0, 1],
        [1, 0],
      ]),
    );
  });

  it('of days beyond the window count no more', async () => {
    const { clock, coordinator } = await open();
    const audits = coordinator();
    audits.answered('device-1', audit(false), agrees);
    await audits.report();
    clock.runNext(clock.nowMs() + 7 * dayMs);
    expect(await audits.report()).toEqual(ok([]));
  });

  it('that cannot be written down are kept', async () => {
    let full = true;
    const { coordinator } = await open(silentLog, (table) => ({
      ...table,
      add: async (...counts) =>
        full ? err(failure('storage_failed', 'full')) : table.add(...counts),
    }));
    const audits = coordinator();
    audits.answered('device-1', audit(true), agrees);
    expect(await audits.report()).toEqual(ok([]));
    full = false;
    expect(await audits.report()).toMatchObject({ value: [{ audited: 1 }] });
  });

  it('raise one alarm when the guarantee is broken, and say when it holds again', async () => {
    const lines: string[] = [];
    const say = (_: object, line: string): void => void lines.push(line);
    const { clock, coordinator } = await open({ ...silentLog, error: say, warn: say });
    const audits = coordinator();
    const turn = async (agreed: boolean): Promise<void> => {
      for (let i = 0; i < 40; i++) audits.answered('device-1', audit(agreed), agrees);
      clock.runNext(clock.nowMs() + 60_000);
      await audits.report(); // Behind the count that the clock has set off.
    };
    for (let i = 0; i < 3; i++) await turn(false);
    expect(audits.latest()).toMatchObject([{ alarm: true }]);
    expect(lines).toEqual([expect.stringContaining('a guarantee is broken')]);
    for (let i = 0; i < 500; i++) await turn(true);
    expect(lines.slice(1)).toEqual(['a guarantee holds again']);
    await audits.close();
  });
});
