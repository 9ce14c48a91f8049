// `npm run learn`, cut short: it trains, keeps what it found, and prints it beside the published figure.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const main = new URL('../../dist/learn/main.js', import.meta.url).pathname;
let results: string;
beforeAll(async () => {
  results = await mkdtemp(join(tmpdir(), 'skerry-learn-'));
});
afterAll(() => rm(results, { recursive: true, force: true }));

/** Also of a run that ends with 1, as one does whose bars are missed. */
const learn = (...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [main, ...flags]).then(
    (output) => ({ ...output, code: 0 }),
    (thrown) => thrown,
  );

it('trains once and then knows, and a bar that is missed is its exit code', {
  timeout: 60_000,
}, async () => {
  const flags = ['--only', 'fedavg', '--seeds', '0', '--rounds', '1', '--results', results];
  const first = await learn(...flags);
  expect(first.stderr).toContain('2NN IID E1 B10, seed 0: ended after 1 rounds');
  expect(first.stdout).toMatch(/E=1 B=10: rounds to 97 % +not in 1 +87 \(McMahan\)/);
  expect(first.stdout).toMatch(/^✗ E=1 B=10 .* \(missed with seed 0\)$/m);
  expect(first.code).toBe(1);
  const second = await learn(...flags);
  expect(second.stderr).toBe('');
  expect(second.stdout.split('\n').slice(1)).toEqual(first.stdout.split('\n').slice(1));
});

it('says what each section takes, and how it is used', async () => {
  expect((await learn('--list')).stdout).toContain('byzantine ');
  expect(await learn('--only', 'nothing')).toMatchObject({ code: 2 });
});
