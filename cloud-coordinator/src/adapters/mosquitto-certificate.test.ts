import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, createRandom, type LogFields, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { mosquittoFiles } from '../fleet/mosquitto-config.ts';
import { createMosquittoRevocations } from './mosquitto-revocations.ts';
import { openAuthority } from './x509-authority.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);

async function fresh() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-broker-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = createVirtualClock(startMs);
  const opened = await openAuthority(folder, startMs);
  assert(opened.ok, 'an authority');
  const authority = opened.value;
  const said: (readonly [string, unknown])[] = [];
  const about = (level: string) => (fields: LogFields, message: string) => {
    if (message.includes('’s certificate')) said.push([level, fields['until']]);
  };
  const log = { ...silentLog, warn: about('warn'), error: about('error') };
  const tell = createMosquittoRevocations(
    { folder, brokerUrl: 'mqtts://127.0.0.1:1' },
    { authority, clock, random: createRandom(1), log },
  );
  return {
    said,
    write: (text: string) => writeFileSync(join(folder, mosquittoFiles.certificate), text),
    /** As `mosquitto-config` does. */
    issue: async () => (await authority.issueServer(['localhost'], clock.nowMs())).cert,
    /** What is said at two readings, so many days on. */
    async after(days: number) {
      clock.runNext(clock.nowMs() + days * dayMs);
      said.length = 0;
      for (const _ of [1, 2]) await tell([]);
      return [...said];
    },
  };
}

it('[IDN17] the end of Mosquitto’s certificate is told from 60 days before, once a day, until there is another', async () => {
  const { after, write, issue } = await fresh();
  write(await issue());
  const until = new Date(startMs + 397 * dayMs).toISOString();
  expect(await after(0)).toEqual([]);
  expect(await after(336)).toEqual([]);
  expect(await after(1)).toEqual([['warn', until]]);
  expect(await after(59)).toEqual([['warn', until]]);
  expect(await after(2)).toEqual([['error', until]]);
  write(await issue());
  expect(await after(1)).toEqual([]);
});

it('[IDN17] so is that there is none to read', async () => {
  const { after, write } = await fresh();
  expect(await after(0)).toEqual([['warn', undefined]]);
  write('x');
  expect(await after(1)).toEqual([['warn', undefined]]);
});
