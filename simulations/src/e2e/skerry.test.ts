// `skerry` as operators start it, against a coordinator that speaks TLS and asks for its token: both as processes.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { expect, it, onTestFinished } from 'vitest';
import { startProcess } from '../fleet/process.ts';

const operatorToken = 'the-operator-token-of-one-coordinator';
const bin = new URL('../../../cloud-coordinator/bin/skerry', import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

it('[OPS12] pushes a bundle over TLS and lists it; each refusal has its exit code and says what to do', {
  timeout: 90_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-cli-e2e-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'coordinator');
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    tls: 'on',
    'operator-token': operatorToken,
  });
  onTestFinished(coordinator.stop);
  const trusting = {
    SKERRY_COORDINATOR: coordinator.httpUrl,
    SKERRY_CA: join(dataDir, 'authority.crt'),
    SKERRY_OPERATOR_TOKEN: operatorToken,
  };
  const skerry = (argv: string[], environment: Record<string, string> = trusting) =>
    new Promise<Ended>((resolve) => {
      const env = { PATH: process.env['PATH'] ?? '', ...environment };
      execFile(bin, argv, { env }, (error, out, errors) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, errors }),
      );
    });
  const digits = join(zooDirectory, 'digits');

  const pushed = await skerry(['model', 'push', digits, '--json', '--by', 'ada']);
  expect(pushed).toMatchObject({ code: 0, errors: '' });
  expect(JSON.parse(pushed.out)).toMatchObject({ model: 'digits', files: 4 });
  expect(JSON.parse((await skerry(['model', 'push', digits, '--json'])).out)).toMatchObject({
    files: 0,
  });
  expect(await skerry(['model', 'list'])).toMatchObject({ code: 0, out: 'digits\n' });
  expect((await skerry(['model', 'show', 'digits'])).out).toMatch(/active .* ada /);

  const flags = ['--model', 'digits', '--version', '1.0.0', '--json'];
  const nobody = await skerry(['rollout', 'create', ...flags]);
  expect(nobody.code).toBe(1);
  expect(JSON.parse(nobody.out)).toMatchObject({ error: expect.stringMatching(/./) });
  expect((await skerry(['fleet'])).out).toBe('not stopped\n');

  expect(await skerry(['model', 'lost'])).toMatchObject({ code: 2, out: '' });
  const { SKERRY_CA: _, ...distrusting } = trusting;
  const refused = await skerry(['model', 'list'], distrusting);
  expect(refused).toMatchObject({ code: 1, errors: expect.stringContaining('--ca') });
  const { SKERRY_OPERATOR_TOKEN: __, ...stranger } = trusting;
  const asked = await skerry(['model', 'list'], stranger);
  expect(asked).toMatchObject({ code: 1, errors: expect.stringContaining('OPERATOR_TOKEN') });
});
