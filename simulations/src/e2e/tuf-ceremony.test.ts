// A key ceremony by the operator's commands, and the coordinator that serves what it has published.

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runTrustCommand } from '@skerry/cloud-coordinator/trust';
import { zooDirectory } from '@skerry/models/node';
import { sha256 } from '@skerry/shared/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startProcess } from '../fleet/process.ts';

const client = new URL('../../../edge-agent/bin/tuf-client', import.meta.url).pathname;
const digits = join(zooDirectory, 'digits');

let folder: string;
let dataDir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skerry-ceremony-'));
  dataDir = join(folder, 'coordinator');
});
afterEach(() => {
  delete process.env['TUF_PASSPHRASE'];
  rmSync(folder, { recursive: true, force: true });
});

/** What the command prints; throws what it refuses with. */
async function tuf(...argv: string[]): Promise<string> {
  const own = argv[0] === 'keygen' ? [] : ['--data-dir', dataDir];
  const done = await runTrustCommand([...argv, ...own]);
  if (!done.ok) throw new Error(done.error.message);
  return done.value;
}

const at = (...parts: string[]): string => join(dataDir, 'tuf', ...parts);

describe('the first start', () => {
  it('[TUF2] makes 2-of-3 keys, publishes, and says plainly what must leave this machine', async () => {
    const advice = await tuf('init');
    for (const said of [
      'FOR A DEMO ONLY',
      'root-{1,2,3}.pem',
      'targets-{1,2,3}.pem',
      'delete them',
    ])
      expect(advice).toContain(said);
    expect(statSync(at('offline-keys', 'root-1.pem')).mode & 0o077).toBe(0);
    expect(await tuf('status')).toMatch(/root +1 .*2 of 3 keys/);
    await expect(tuf('init')).rejects.toThrow('has begun already');
  });

  it('a bundle goes from its folder to what devices may install', async () => {
    await tuf('init');
    expect(await tuf('add', '--bundle', digits)).toContain('2 more of');
    await expect(tuf('publish')).rejects.toThrow('0 of 2 signatures');
    for (const n of [1, 3]) await tuf('sign', '--key', at('offline-keys', `targets-${n}.pem`));
    expect(await tuf('publish')).toContain('2.targets.json');
    await tuf('add', '--bundle', digits, '--release-counter', '3');
    await tuf('add', '--bundle', digits); // As high as it was.
    for (const n of [1, 2]) await tuf('sign', '--key', at('offline-keys', `targets-${n}.pem`));
    await tuf('publish');
    const pack = join(folder, 'pack.json');
    await tuf('pack', '--out', pack);
    const { files } = JSON.parse(readFileSync(pack, 'utf8')) as { files: Record<string, string> };
    const { signed } = JSON.parse(files['3.targets.json'] ?? '');
    const digest = sha256(readFileSync(join(digits, 'manifest.json'))).slice('sha256:'.length);
    const target = signed.targets['digits/1.0.0/manifest.json'];
    expect(target.hashes.sha256).toBe(digest);
    expect(target.custom).toMatchObject({ model: 'digits', version: '1.0.0', releaseCounter: 3 });
    for (const secret of [
      'PRIVATE',
      readFileSync(at('offline-keys', 'root-1.pem'), 'utf8').slice(30, 80),
    ])
      expect(JSON.stringify(files)).not.toContain(secret);
  });

  it('a bundle whose files are not its manifest’s is not staged', async () => {
    await tuf('init');
    const changed = join(folder, 'digits');
    cpSync(digits, changed, { recursive: true });
    const model = join(changed, 'edge.int8.onnx');
    const bytes = readFileSync(model);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(model, bytes);
    await expect(tuf('add', '--bundle', changed)).rejects.toThrow('the manifest says');
  });
});

describe('a ceremony whose keys were never here', () => {
  it('[TUF6] each holder signs a file on a machine of their own, and nothing is published before enough have', async () => {
    const atHome = async (...argv: string[]): Promise<string> => {
      process.env['TUF_PASSPHRASE'] = 'a passphrase of the key holders';
      const said = await tuf(...argv);
      delete process.env['TUF_PASSPHRASE'];
      return said;
    };
    const key = (name: string): string => join(folder, 'holders', `${name}.pem`);
    for (const name of ['r1', 'r2', 't1']) await atHome('keygen', '--out', key(name));
    await atHome('keygen', '--out', key('t2'), '--kind', 'p256');
    const pub = (...names: string[]): string => names.map((name) => `${key(name)}.pub`).join(',');
    await tuf('init', '--root-keys', pub('r1', 'r2'), '--targets-keys', pub('t1', 't2'));
    const away = (role: string, holder: string): string => join(folder, `${role}-${holder}.json`);
    for (const [role, holders] of [
      ['root', ['r1', 'r2']],
      ['targets', ['t1', 't2']],
    ] as const)
      for (const holder of holders) {
        await expect(tuf('publish')).rejects.toThrow('signatures');
        cpSync(at('staged', `${role}.json`), away(role, holder));
        const shown = await atHome('sign', '--key', key(holder), '--file', away(role, holder));
        expect(shown).toContain('what is signed: sha256:');
        await tuf('collect', '--file', away(role, holder));
      }
    expect(await tuf('publish')).toContain('1.root.json');
    await expect(tuf('sign', '--key', key('r1'), '--file', away('root', 'r1'))).rejects.toThrow(
      'set TUF_PASSPHRASE',
    );
  });

  it('a key may come from the environment, and its failure does not show it', async () => {
    await tuf('init');
    await tuf('add', '--bundle', digits);
    process.env['HOLDER_KEY'] = readFileSync(at('offline-keys', 'targets-2.pem'), 'utf8');
    expect(await tuf('sign', '--key', 'env:HOLDER_KEY')).toContain('signed by');
    const secret = `${process.env['HOLDER_KEY'].slice(0, 60)}!`;
    process.env['HOLDER_KEY'] = secret;
    const failed = await tuf('sign', '--key', 'env:HOLDER_KEY').catch(
      (thrown: Error) => thrown.message,
    );
    expect(failed).not.toContain(secret.slice(30, 50));
    delete process.env['HOLDER_KEY'];
  });
});

it('[TUF19] a stolen online key is replaced by root’s holders, and a team comes and goes', async () => {
  await tuf('init');
  const [fresh, team] = [at('keys', 'timestamp-2.pem'), join(folder, 'team.pem')];
  await tuf('keygen', '--out', fresh);
  await tuf('keygen', '--out', team);
  const old = /timestamp .*\(([0-9a-f]{8})\)/.exec(await tuf('status'))?.[1] ?? '';
  await tuf('rotate', '--role', 'timestamp', '--add', `${fresh}.pub`, '--remove', old);
  const rule = ['--keys', `${team}.pub`, '--paths', 'vision-*/*/*'];
  await tuf('delegate', '--team', 'vision', ...rule);
  for (const name of ['root-1', 'root-2', 'targets-1', 'targets-2'])
    await tuf('sign', '--key', at('offline-keys', `${name}.pem`));
  await tuf('sign', '--key', team);
  await tuf('publish');
  const status = await tuf('status');
  expect(status).not.toContain(old);
  expect(status).toMatch(/vision +1 /);
  await expect(tuf('add', '--bundle', digits, '--role', 'vision')).rejects.toThrow('speaks for');
  await tuf('undelegate', '--team', 'vision');
  for (const n of [1, 2]) await tuf('sign', '--key', at('offline-keys', `targets-${n}.pem`));
  await tuf('publish');
  expect(await tuf('status')).not.toContain('vision');
});

it('[TUF10] a running coordinator serves what a command beside it publishes', async () => {
  await tuf('init');
  const coordinator = await startProcess('coordinator', 'tuf', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
  });
  try {
    const url = `${coordinator.httpUrl}/v1/tuf/metadata`;
    const metrics = await (await fetch(`${coordinator.httpUrl}/metrics`)).text();
    const good = Number(/^skerry_update_metadata_good_seconds (\S+)$/m.exec(metrics)?.[1]);
    expect(good / 3_600).toBeGreaterThan(20);
    expect(good / 3_600).toBeLessThanOrEqual(24);
    const root = await fetch(`${url}/1.root.json`);
    expect(root.headers.get('cache-control')).toContain('immutable');
    const first = join(folder, 'root.json');
    writeFileSync(first, Buffer.from(await root.arrayBuffer()));
    const metadata = join(folder, 'metadata');
    const run = (...more: string[]) =>
      promisify(execFile)(client, ['--metadata-dir', metadata, ...more]);
    await run('init', first);
    await tuf('add', '--bundle', digits);
    for (const n of [1, 2]) await tuf('sign', '--key', at('offline-keys', `targets-${n}.pem`));
    await tuf('publish');
    await run('--metadata-url', url, 'refresh');
    const targets = JSON.parse(readFileSync(join(metadata, 'targets.json'), 'utf8'));
    expect(targets.signed.version).toBe(2);
    for (const name of ['timestamp.json', '2.root.json', '..%2Fheads%2F1.json', 'constructor']) {
      const response = await fetch(`${url}/${name}`);
      expect(response.status, name).toBe(name === 'timestamp.json' ? 200 : 404);
      expect(response.headers.get('cache-control'), name).toBe('no-store');
    }
  } finally {
    await coordinator.stop();
  }
});
