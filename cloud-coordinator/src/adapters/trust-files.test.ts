import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { trustStoreContract } from '../update/trust/testing/trust-store-contract.ts';
import { createStagedFiles, createTrustFiles } from './trust-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'skerry-trust-files-'));
let disks = 0;
const newDisk = (): string => join(folder, `${++disks}`);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

trustStoreContract('files', () => {
  const disk = newDisk();
  return () => createTrustFiles(disk, Date.now);
});

it('[TUF3] damaged bytes are not given back', async () => {
  const disk = newDisk();
  const store = createTrustFiles(disk, Date.now);
  const written = await store.write(new TextEncoder().encode('one'));
  if (!written.ok) throw new Error(written.error.message);
  writeFileSync(join(disk, 'blobs', written.value.slice('sha256:'.length)), 'two');
  expect(await store.read(written.value)).toMatchObject({
    ok: false,
    error: { code: 'digest_mismatch' },
  });
});

it('[TUF3] what another process publishes is seen at once, also after a quiet time', async () => {
  const disk = newDisk();
  const [one, other] = [createTrustFiles(disk, Date.now), createTrustFiles(disk, Date.now)];
  const timestamp = `sha256:${'0'.repeat(64)}`;
  const head = (revision: number) => ({ revision, files: {}, timestamp });
  for (let revision = 1; revision <= 20; revision++) {
    await other.commit(head(revision));
    if (revision % 5 === 0) {
      const then = Date.now() / 1_000 - 10 + revision;
      utimesSync(join(disk, 'heads'), then, then);
    }
    for (let times = 0; times < 2; times++)
      expect(await one.head()).toEqual({ ok: true, value: head(revision) });
  }
});

it('forgets what nobody names a day later, and old heads', async () => {
  const disk = newDisk();
  const dayMs = 24 * 3_600_000;
  const store = createTrustFiles(disk, Date.now);
  await store.write(new TextEncoder().encode('young'));
  const old = await store.write(new TextEncoder().encode('old'));
  if (!old.ok) throw new Error(old.error.message);
  const then = (Date.now() - 2 * dayMs) / 1_000;
  utimesSync(join(disk, 'blobs', old.value.slice('sha256:'.length)), then, then);
  await store.prune(new Set());
  expect((await store.read(old.value)).ok).toBe(false);
  expect(readdirSync(join(disk, 'blobs'))).toHaveLength(1);
  const timestamp = old.value;
  for (let revision = 1; revision <= 40; revision++)
    await store.commit({ revision, files: {}, timestamp });
  expect(readdirSync(join(disk, 'heads')).length).toBeLessThan(20);
});

it('stages nothing under a name that climbs', async () => {
  const staging = createStagedFiles(newDisk());
  for (const role of ['../x', 'a/b', '', '.x'])
    expect(await staging.drop(role)).toMatchObject({ ok: false });
});
