// Our repository read by the command line of the public conformance suite, as a process and over HTTP: the two sides
// share canonical JSON and the keys' encoding, and no other code.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { rotateKeys } from '@skerry/cloud-coordinator/trust';
import { sha256 } from '@skerry/shared/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { holdCeremony, type KeyCeremony, must, newSigner } from '../trust/key-ceremony.ts';

const program = new URL('../../../edge-agent/bin/tuf-client', import.meta.url).pathname;
const path = 'digits/1.0.0/manifest.json';
const manifest = Buffer.from('{"schema":"skerry.bundle/1","name":"digits"}');

let ceremony: KeyCeremony;
let server: Server;
let url: string;
let firstRoot: string;
let endless = '';
const asked: string[] = [];
const errors: string[] = [];

beforeAll(async () => {
  ceremony = await holdCeremony();
  await ceremony.add(path, manifest);
  await ceremony.publish(ceremony.keys.targets);
  firstRoot = join(ceremony.folder, 'first-root.json');
  writeFileSync(firstRoot, must(await ceremony.repository.file('1.root.json')));
  server = createServer(async (request, response) => {
    const name = request.url ?? '';
    asked.push(basename(name));
    if (name.startsWith('/targets/')) {
      const hex = sha256(manifest).slice('sha256:'.length);
      const is = name === `/targets/${dirname(path)}/${hex}.manifest.json`;
      response.writeHead(is ? 200 : 404).end(is ? manifest : '');
      return;
    }
    if (basename(name) === endless) {
      const more = (): void => {
        if (response.destroyed) return;
        if (response.write(Buffer.alloc(65_536, 32))) setImmediate(more);
        else response.once('drain', more);
      };
      more();
      return;
    }
    const file = await ceremony.repository.file(basename(name));
    response.writeHead(file.ok ? 200 : 404).end(file.ok ? file.value : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  ceremony.close();
});

function newDevice() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-tuf-client-'));
  const [metadata, targets] = [join(folder, 'metadata'), join(folder, 'targets')];
  mkdirSync(targets);
  const run = async (...more: string[]): Promise<number> => {
    try {
      await promisify(execFile)(program, ['--metadata-dir', metadata, ...more]);
      return 0;
    } catch (thrown) {
      const { code, stderr } = thrown as { code: number; stderr: string };
      errors.push(stderr);
      return code;
    }
  };
  return {
    metadata,
    targets,
    init: () => run('init', firstRoot),
    refresh: () => run('--metadata-url', `${url}/metadata`, 'refresh'),
    download: (...names: string[]) =>
      run(
        ...['--metadata-url', `${url}/metadata`, '--target-base-url', `${url}/targets`],
        ...['--target-dir', targets, ...names.flatMap((name) => ['--target-name', name])],
        'download',
      ),
    versionOf: (role: string): number =>
      JSON.parse(readFileSync(join(metadata, `${role}.json`), 'utf8')).signed.version,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

it('[TUF1] init, refresh and download from our repository by the suite’s command line', async () => {
  const device = newDevice();
  expect(await device.init()).toBe(0);
  expect(await device.refresh()).toBe(0);
  expect(device.versionOf('targets')).toBe(2);
  expect(await device.download(path), errors.join('')).toBe(0);
  expect(readFileSync(join(device.targets, encodeURIComponent(path)))).toEqual(manifest);
  asked.length = 0;
  expect(await device.download(path), errors.join('')).toBe(0);
  expect(asked).toEqual(['2.root.json', 'timestamp.json']); // Nothing that is there already.
  expect(await device.download(path, 'digits/9.9.9/manifest.json')).toBe(1);
  device.remove();
});

it('[TUF15] an answer that never ends is cut off, and the next one serves', async () => {
  const device = newDevice();
  await device.init();
  for (endless of ['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json'])
    expect(await device.refresh(), endless).toBe(1);
  endless = '';
  expect(await device.refresh()).toBe(0);
  device.remove();
});

it('[TUF5] a client that slept through two root rotations walks the chain', async () => {
  const device = newDevice();
  expect(await device.init()).toBe(0);
  expect(await device.refresh()).toBe(0);
  const holders = [...ceremony.keys.root];
  for (let i = 0; i < 2; i++) {
    const [gone] = ceremony.keys.root.splice(0, 1);
    const fresh = newSigner();
    ceremony.keys.root.push(fresh);
    holders.push(fresh);
    const change = { add: [fresh.publicKey], remove: [gone?.keyId ?? ''] };
    const draft = must(await ceremony.repository.draft());
    must(
      await ceremony.repository.stage(must(rotateKeys(draft, 'root', change, ceremony.nowMs()))),
    );
    await ceremony.publish(holders);
  }
  expect(device.versionOf('root')).toBe(1);
  expect(await device.refresh()).toBe(0);
  expect(device.versionOf('root')).toBe(3);
  device.remove();
});
