// `npm start`, headless: the same story on fewer images.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const main = new URL('../../dist/demo/main.js', import.meta.url).pathname;

it('plays to its end, keeps its promises and leaves nothing running', {
  timeout: 120_000,
}, async () => {
  const flags = ['--images', '1200', '--seconds', '4'];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...flags]);
  expect(stdout).toContain('the link of device-3 is cut');
  expect(stdout.match(/^✓/gm)).toHaveLength(4);
  expect(stdout).not.toContain('✗');
});

it('[IDN9] plays the same story with devices that enrol, over MQTT and over HTTPS alone', {
  timeout: 120_000,
}, async () => {
  const flags = ['--tls', '--images', '1200', '--seconds', '4'];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...flags]);
  expect(stdout).toContain('the link of device-3 is cut');
  expect(stdout.match(/^✓/gm)).toHaveLength(4);
  expect(stdout).not.toContain('✗');
});

it('says how it is used when a flag makes no sense', async () => {
  const run = promisify(execFile)(process.execPath, [main, '--images', '0']);
  await expect(run).rejects.toMatchObject({ code: 2 });
});
