// A collection that travels, between real processes: an author's agent, a coordinator that publishes it, keys that sign it,
// and a device that takes it, is cut off, and answers from it by name.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runTrustCommand } from '@skerry/cloud-coordinator/trust';
import { sha256 } from '@skerry/shared/node';
import {
  checkProof,
  type FollowReport,
  passageProofSchema,
} from '@skerry/sync-protocol/collections';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { expectOk } from '../fleet-update/expect-ok.ts';
import { openTrustedCoordinator } from '../fleet-update/open-fleet.ts';

const proofSchema = z.object({
  proof: passageProofSchema,
  evidence: z.record(z.string(), z.string()),
});
const patience = { timeout: 60_000, interval: 100 };
const run = promisify(execFile);
const skerryMain = new URL('../../../cloud-coordinator/dist/skerry/main.js', import.meta.url)
  .pathname;

async function world() {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-collections-'));
  const processes: SkerryProcess[] = [];
  onTestFinished(async () => {
    for (const each of processes.reverse()) await each.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const dataDir = join(folder, 'coordinator');
  const { coordinator, root } = await openTrustedCoordinator(folder, dataDir);
  processes.push(coordinator);
  const startAgent = async (device: string) => {
    const agent = await startProcess('agent', device, {
      device,
      site: 'north',
      'conversation-share': 'site',
      'data-dir': join(folder, device),
      'http-port': 0,
      'update-root': root,
      broker: coordinator.mqttUrl ?? '',
      'coordinator-url': coordinator.httpUrl,
    });
    processes.push(agent);
    return agent;
  };
  const skerry = async (...argv: string[]): Promise<unknown> => {
    const own = ['--coordinator', coordinator.httpUrl, '--json'];
    const { stdout } = await run(process.execPath, [skerryMain, ...argv, ...own]);
    return JSON.parse(stdout);
  };
  const tuf = async (...argv: string[]) =>
    expectOk(await runTrustCommand([...argv, '--data-dir', dataDir]));
  const author = await startAgent('author');
  const manifest = join(folder, 'manifest.json');
  const push = async (answers?: readonly object[]) => {
    const file = join(folder, 'answers.json');
    if (answers !== undefined) await writeFile(file, JSON.stringify(answers));
    const brought = answers === undefined ? [] : ['--answers', file];
    const from = ['--from', author.httpUrl, '--manifest', manifest, ...brought];
    return (await skerry('collection', 'push', 'manuals', ...from)) as {
      target: string;
      snapshot: { root: string; freshBytes: number; bytes: number; manifest: { digest: string } };
    };
  };
  /** By two of the three that hold keys. */
  const sign = async () => {
    await tuf('add', '--snapshot', manifest);
    for (const holder of [1, 2])
      await tuf('sign', '--key', join(dataDir, 'tuf/offline-keys', `targets-${holder}.pem`));
    await tuf('publish');
  };
  return {
    coordinator,
    author,
    reader: await startAgent('reader'),
    skerry,
    push,
    sign,
    async publish(answers?: readonly object[]) {
      const pushed = await push(answers);
      await sign();
      return pushed;
    },
    /** Puts other words into a blob that lies at the coordinator. */
    async harm(words: string, others: string) {
      const at = join(dataDir, 'blobs');
      for (const name of await readdir(at, { recursive: true })) {
        const path = join(at, name);
        const bytes = await readFile(path).catch(() => Buffer.alloc(0));
        const place = bytes.indexOf(words);
        if (place === -1) continue;
        bytes.write(others, place, 'latin1');
        await writeFile(path, bytes);
      }
    },
    /** Of the device's collection. */
    async files(device: string) {
      const at = join(folder, device, 'collections');
      const names = (await readdir(at)).filter((name) => name.startsWith('manuals'));
      return Promise.all(names.map((name) => readFile(join(at, name), 'latin1')));
    },
  };
}

const put = async (agent: SkerryProcess, uri: string, text: string) => {
  const url = `${agent.httpUrl}/v1/collections/manuals/documents?${new URLSearchParams({ uri })}`;
  const headers = { 'content-type': 'text/plain' };
  expect((await fetch(url, { method: 'PUT', headers, body: text })).status).toBe(201);
};

/** In its twin, in the end. */
const says = async (agent: SkerryProcess, report: object | undefined): Promise<void> =>
  vi.waitFor(async () => {
    const said = await reportOf(agent);
    if (report === undefined) expect(said).toBeUndefined();
    else expect(said).toMatchObject(report);
  }, patience);

const reportOf = async (agent: SkerryProcess): Promise<FollowReport | undefined> => {
  const twin = (await (await fetch(`${agent.httpUrl}/v1/documents/device`)).json()) as {
    value: { reported?: { collections?: { manuals?: FollowReport } } };
  };
  return twin.value.reported?.collections?.manuals;
};

const ask = async (agent: SkerryProcess, content: string, more: object = {}) => {
  const body = JSON.stringify({ model: 'library', messages: [{ role: 'user', content }], ...more });
  const headers = { 'content-type': 'application/json' };
  const url = `${agent.httpUrl}/v1/chat/completions`;
  return (await (await fetch(url, { method: 'POST', headers, body })).json()) as {
    choices: [{ message: { content: string; citations: { uri: string; start: number }[] } }];
    library: { asked?: string; published: { sequence: number; root: string; target: string }[] };
  };
};

it('a collection is published, taken, updated by what differs, refused where it is not what was signed, answered from offline with a proof, and gone with its subscription; a conversation about it goes on at another device', {
  timeout: 180_000,
}, async () => {
  const { coordinator, author, reader, skerry, publish, push, sign, harm, files } = await world();
  const long = 'It is wiped with a dry cloth and left to the maker of it. '.repeat(40);
  const pump = 'The pump is bled at the brass valve above the motor.';
  await put(author, 'pump.txt', pump);
  await put(author, 'winch.txt', `The winch pulls four tonnes. ${long}`);
  const digest = sha256(new TextEncoder().encode(pump));
  const place = { uri: 'pump.txt', digest, start: 0, end: pump.length, text: pump };
  const question = 'Who bleeds it how?';
  const said = 'At the brass valve, says the big model.';
  const first = await publish([{ question, text: said, source: 'big', citations: [place] }]);
  await skerry('collection', 'subscribe', 'manuals', '--devices', 'reader');
  await says(reader, {
    state: 'held',
    sequence: 1,
    documents: 2,
    savedBytes: 0,
    answers: '1 kept',
  });
  expect((await ask(reader, question)).choices[0].message.content).toContain(said);

  await put(author, 'pump.txt', 'The pump is bled at the steel valve below the motor.');
  const second = await publish();
  expect(second.snapshot.freshBytes).toBeLessThan(second.snapshot.bytes / 2);
  const savedBytes = second.snapshot.bytes - second.snapshot.freshBytes;
  await says(reader, { state: 'held', sequence: 2, savedBytes });
  expect((await files('reader')).join()).toContain('four tonnes');

  // Who is subscribed no longer holds nothing of it.
  await skerry('collection', 'unsubscribe', 'manuals');
  await says(reader, undefined);
  expect(await files('reader')).toEqual([]);
  await skerry('collection', 'subscribe', 'manuals', '--devices', 'reader');
  await says(reader, { state: 'held', sequence: 2, savedBytes: 0 });

  // What was asked at one device is gone on with at another of its site, and deleted there for both.
  const talk = { metadata: { conversation: 'shift-1' }, user: 'ann' };
  const conversation = (agent: SkerryProcess, path = '', method = 'GET') =>
    fetch(`${agent.httpUrl}/v1/conversations/shift-1${path}?user=ann`, { method });
  await ask(author, 'Where is the pump bled?', talk);
  await vi.waitFor(async () => {
    const { data } = (await (await conversation(reader, '/items')).json()) as { data?: object[] };
    expect(data).toHaveLength(2);
  }, patience);
  const next = await ask(reader, 'And how often?', talk);
  expect(next.library.asked).toBe('Where is the pump bled? And how often?');
  expect((await conversation(reader, '', 'DELETE')).status).toBe(200);
  await vi.waitFor(async () => expect((await conversation(author)).status).toBe(404), patience);
  expect((await conversation(reader)).status).toBe(404);

  // A document whose bytes at the coordinator are not those that were signed.
  await put(author, 'crane.txt', 'The crane lifts nine tonnes in calm weather.');
  await push();
  await harm('nine tonnes', 'ten tonnes!');
  await sign();
  await says(reader, {
    state: 'refused',
    sequence: 2,
    reason: expect.stringContaining('digest_mismatch'),
  });
  expect(await skerry('collection', 'show', 'manuals')).toMatchObject({
    snapshots: [{ sequence: 1, root: first.snapshot.root }, { sequence: 2 }, { sequence: 3 }],
    holders: [{ device: 'reader', wanted: 3, report: { state: 'refused', sequence: 2 } }],
  });

  await coordinator.stop();
  const { choices, library } = await ask(reader, 'Where is the pump bled?');
  const [{ message }] = choices;
  expect(message.content).toContain('steel valve');
  const { root, manifest } = second.snapshot;
  expect(library.published).toMatchObject([{ sequence: 2, root, target: second.target }]);
  const [{ uri, start }] = message.citations as [{ uri: string; start: number }];
  const query = new URLSearchParams({ uri, start: String(start) });
  const proven = await fetch(`${reader.httpUrl}/v1/collections/manuals/proof?${query}`);
  const { proof, evidence } = proofSchema.parse(await proven.json());
  expect(proof.passage.text).toContain('steel valve');
  expect(checkProof(proof, manifest.digest, sha256)).toMatchObject({ ok: true });
  expect(evidence['targets.json']).toContain(manifest.digest.slice('sha256:'.length));
});
