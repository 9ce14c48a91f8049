// The command as a person types it: what it prints, and its exit code.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { targets } from './targets.ts';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skerry-fit-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...argv], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function profileFile(name: string, changed: Record<string, unknown>): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ ...targets[0], ...changed }));
  return path;
}

it('shows every bundle of the zoo on every target', () => {
  const { status, stdout } = run();
  expect(status).toBe(0);
  for (const { name } of targets)
    expect(stdout).toMatch(new RegExp(`^digits .*${name}.* fits`, 'm'));
});

it('exits with 0 for what fits', () => {
  expect(run('digits', 'linux-arm64')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('on linux-arm64: fits'),
  });
});

it('exits with 1 for what does not fit, and says why', () => {
  const tiny = profileFile('tiny.json', { name: 'tiny', macsPerSecond: 1 });
  expect(run('digits', tiny)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('latency: needs'),
  });
});

it.each([
  ['a target that nobody knows', ['digits', 'toaster'], 'no target is named toaster'],
  ['a bundle that nobody knows', ['digitz', 'linux-x64'], 'digitz'],
  ['a flag that nobody knows', ['--bundle', 'digits'], '--bundle'],
])('exits with 2 for %s', (_, argv, message) => {
  expect(run(...argv)).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
});

it('exits with 2 for a profile with a typo, and names it', () => {
  const typo = profileFile('typo.json', { budgett: {} });
  expect(run('digits', typo)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('budgett'),
  });
});

it('prints the agent’s configuration on a target', () => {
  const { status, stdout } = run('--agent-config', 'linux-arm64');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ target: 'linux-arm64', threads: 2 });
});
