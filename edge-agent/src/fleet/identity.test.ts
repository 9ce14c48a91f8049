import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, createRandom, err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock, type VirtualClock } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createIdentityFiles } from '../adapters/identity-files.ts';
import { type Identity, openIdentity, renewAtMs } from './identity.ts';

const lifeMs = 30 * 86_400_000;

const startMs = Date.UTC(2026, 0, 1);

function advance(clock: VirtualClock, ms: number): void {
  const untilMs = clock.nowMs() + ms;
  while (clock.runNext(untilMs));
}

function fresh(joinToken?: string, certified = 'harbour') {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-identity-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = createVirtualClock(startMs);
  const asked: { how: 'enrol' | 'renew'; key: string; atMs: number }[] = [];
  const errors: object[] = [];
  let away = false;
  const issue = (how: 'enrol' | 'renew', key: string): Result<Identity> => {
    asked.push({ how, key, atMs: clock.nowMs() });
    if (away) return err(failure('unavailable', 'away'));
    const notBeforeMs = clock.nowMs();
    const certificate = `certificate ${asked.length}`;
    return ok({ key, certificate, authority: '', notBeforeMs, notAfterMs: notBeforeMs + lifeMs });
  };
  const open = () => {
    const opened = openIdentity(
      { device: 'box', site: 'harbour', joinToken },
      {
        store: createIdentityFiles(folder),
        client: {
          enrol: async (_token, _device, key) => issue('enrol', key),
          renew: async (_current, _device, key) => issue('renew', key),
        },
        siteOf: () => certified,
        clock,
        random: createRandom(1),
        log: { ...silentLog, error: (fields) => void errors.push(fields) },
      },
    );
    assert(opened.ok, 'opened');
    onTestFinished(opened.value.close);
    return opened.value;
  };
  const goAway = (value: boolean) => {
    away = value;
  };
  return { folder, clock, asked, errors, open, goAway };
}

describe('the device’s identity', () => {
  it('[IDN2] its key is made here, kept for its owner alone, and is the same after a restart', async () => {
    const { folder, asked, open } = fresh('token');
    const keeper = open();
    await vi.waitUntil(() => keeper.current() !== undefined);
    expect(asked).toMatchObject([{ how: 'enrol' }]);
    expect(statSync(join(folder, 'identity.json')).mode & 0o777).toBe(0o600);
    expect(open().current()).toEqual(keeper.current());
  });

  it('[IDN1] a request that is repeated brings the same key', async () => {
    const { asked, open, goAway } = fresh('token');
    goAway(true);
    open().close();
    await vi.waitUntil(() => asked.length === 1);
    goAway(false);
    const keeper = open();
    await vi.waitUntil(() => keeper.current() !== undefined);
    expect(asked[1]?.key).toBe(asked[0]?.key);
  });

  it('[IDN6] renews at two thirds of its life with a new key, and keeps what it has meanwhile', async () => {
    const { clock, asked, open, goAway } = fresh('token');
    const keeper = open();
    await vi.waitUntil(() => keeper.current() !== undefined);
    const first = keeper.current();
    goAway(true);
    advance(clock, (lifeMs * 2) / 3);
    await vi.waitUntil(() => asked.length > 1);
    expect(keeper.current()).toEqual(first);
    goAway(false);
    await vi.waitFor(() => {
      advance(clock, 300_000);
      expect(keeper.current()).not.toEqual(first);
    });
    expect(asked.at(-1)).toMatchObject({ how: 'renew' });
    expect(keeper.current()?.key).not.toBe(first?.key);
  });

  it('[IDN6] spreads renewals over a tenth of the life', () => {
    const life = { notBeforeMs: 0, notAfterMs: 300 };
    expect(renewAtMs(life, 0)).toBe(200);
    expect(renewAtMs(life, 1)).toBeCloseTo(170);
  });

  it('without a token and a certificate asks nobody', async () => {
    const { clock, asked, open } = fresh();
    expect(open().current()).toBeUndefined();
    advance(clock, lifeMs);
    expect(asked).toEqual([]);
  });

  it('[IDN12] says at each start, and of each certificate, that it is of another site', async () => {
    const { errors, open } = fresh('token', 'south');
    const keeper = open();
    await vi.waitUntil(() => keeper.current() !== undefined);
    expect(errors).toEqual([{ certified: 'south', site: 'harbour' }]);
    open();
    expect(errors).toHaveLength(2);
    const right = fresh('token');
    const other = right.open();
    await vi.waitUntil(() => other.current() !== undefined);
    expect(right.errors).toEqual([]);
  });
});
