import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, createRandom, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { mosquittoFiles } from '../fleet/mosquitto-config.ts';
import { createMosquittoRevocations } from './mosquitto-revocations.ts';
import { openAuthority, revocationListLifeMs } from './x509-authority.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);

async function fresh() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-revocations-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = createVirtualClock(startMs);
  const authority = await openAuthority(folder, startMs);
  assert(authority.ok, 'an authority');
  const file = join(folder, mosquittoFiles.revoked);
  return {
    authority: authority.value,
    file,
    goOn: (ms: number) => clock.runNext(clock.nowMs() + ms),
    dateMs: clock.nowMs,
    listedMs: () => authority.value.listedAtMs(readFileSync(file, 'utf8')),
    /** As a coordinator's start makes it. No Mosquitto runs by the folder. */
    start: () =>
      createMosquittoRevocations(
        { folder, brokerUrl: 'mqtts://127.0.0.1:1' },
        { authority: authority.value, clock, random: createRandom(1), log: silentLog },
      ),
  };
}

it('[IDN16] the list never comes near its end, though nothing is revoked for three years', async () => {
  const { start, goOn, dateMs, listedMs } = await fresh();
  let tell = start();
  const made = new Set<number | undefined>();
  for (let day = 0; day < 3 * 365; day += 5) {
    if (day % 100 === 0) tell = start(); // What it knows is in the file.
    await tell([]);
    made.add(listedMs());
    expect(dateMs() - (listedMs() ?? 0)).toBeLessThan(revocationListLifeMs / 10);
    goOn(5 * dayMs);
  }
  // It is not written at each reading either.
  expect(made.size).toBeLessThan(40);
});

it.each([
  ['no list', ''],
  ['what is none', 'x'],
])('[IDN16] in place of %s there is one after the first reading', async (_, text) => {
  const { start, file, listedMs } = await fresh();
  if (text !== '') writeFileSync(file, text);
  expect(existsSync(file)).toBe(text !== '');
  await start()([]);
  expect(listedMs()).toBe(startMs);
});

it('[IDN16] a list of a date to come, by a clock that was wrong, is made anew', async () => {
  const { start, authority, file, listedMs } = await fresh();
  writeFileSync(file, await authority.revocationList([], startMs + 400 * dayMs));
  await start()([]);
  expect(listedMs()).toBe(startMs);
});
