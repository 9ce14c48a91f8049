import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { holdDirectory } from './hold-directory.ts';

it('a data directory is held by one agent at a time', () => {
  const directory = mkdtempSync(join(tmpdir(), 'skerry-hold-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const first = holdDirectory(directory);
  const message = `${directory}: another agent uses this directory`;
  expect(holdDirectory(directory)).toMatchObject({ error: { code: 'storage_failed', message } });
  if (first.ok) first.value();
  const second = holdDirectory(directory);
  expect(second.ok).toBe(true);
  if (second.ok) second.value();
});
