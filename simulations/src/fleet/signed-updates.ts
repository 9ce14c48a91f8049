// A coordinator that publishes a signed repository and holds the blobs, a director whose key is at hand, and devices that
// run what it assigns: all of them processes, in a folder that goes with them.

import { createPrivateKey } from 'node:crypto';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqlCoordinatorStore, openSqlite } from '@skerry/cloud-coordinator';
import { runTrustCommand } from '@skerry/cloud-coordinator/trust';
import { manifestSchema } from '@skerry/models';
import { variantDigest, zooDirectory } from '@skerry/models/node';
import { createKeySigner, sha256, signEnvelope, systemClock } from '@skerry/shared/node';
import { sampleAssignment, sampleModelAssignment } from '@skerry/sync-protocol/testing';
import {
  type Assignment,
  assignmentPayloadType,
  type Health,
  type ModelAssignment,
} from '@skerry/sync-protocol/update';
import { type SkerryProcess, startProcess } from './process.ts';

export const digits = join(zooDirectory, 'digits');

interface Told {
  readonly update: { readonly state: string; readonly waiting?: string };
  readonly running: { readonly bundle: string; readonly version: string };
  readonly reason?: { readonly code: string };
  readonly health: Readonly<Record<string, Health>>;
  readonly reports: readonly { readonly report: { readonly state: string } }[];
}

async function must<T>(
  result: Promise<{ ok: true; value: T } | { ok: false; error: { message: string } }>,
): Promise<T> {
  const done = await result;
  if (!done.ok) throw new Error(done.error.message);
  return done.value;
}

/** Digits by another version, whose files differ in a comment: other bytes, the same answers. */
export async function newVersion(folder: string, version: string): Promise<string> {
  const at = join(folder, `digits-${version}`);
  await cp(digits, at, { recursive: true });
  const manifest = manifestSchema.parse(
    JSON.parse(await readFile(join(at, 'manifest.json'), 'utf8')),
  );
  manifest.version = version;
  const done = new Set<string>();
  for (const variant of manifest.variants) {
    for (const file of Object.values(variant.files)) {
      const path = join(at, file.path);
      // ModelProto's doc_string, again: the last one counts, and nobody reads it.
      const comment = new TextEncoder().encode(version);
      if (!done.has(path)) await appendFile(path, Uint8Array.of(0x32, comment.length, ...comment));
      done.add(path);
      const bytes = await readFile(path);
      Object.assign(file, { bytes: bytes.length, sha256: sha256(bytes) });
    }
    variant.digest = variantDigest(manifest.stages, variant.files);
    variant.calibration.variant = variant.digest;
  }
  await writeFile(join(at, 'manifest.json'), JSON.stringify(manifest));
  return at;
}

/** `atEnd` gets what ends it all. */
export async function openSignedUpdates(atEnd: (close: () => Promise<void>) => void) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-update-'));
  const dataDir = join(folder, 'coordinator');
  const processes: Record<string, SkerryProcess> = {};
  atEnd(async () => {
    for (const process of Object.values(processes)) await process.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const tuf = (...argv: string[]) => must(runTrustCommand([...argv, '--data-dir', dataDir]));
  const key = (name: string): string => join(dataDir, 'tuf', name);
  await tuf('init');
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1_000,
  });
  processes['coordinator'] = coordinator;
  const root = join(folder, 'root.json');
  const served = await fetch(`${coordinator.httpUrl}/v1/tuf/metadata/1.root.json`);
  await writeFile(root, Buffer.from(await served.arrayBuffer()));
  const device = (name: string): SkerryProcess => {
    const agent = processes[name];
    if (agent === undefined) throw new Error(`${name} has not been started`);
    return agent;
  };
  /** Again: on the port that it had. */
  const startDevice = async (
    name: string,
    flags: Readonly<Record<string, string | number>>,
  ): Promise<SkerryProcess> => {
    const port = processes[name] ? Number(new URL(processes[name].httpUrl).port) : 0;
    const agent = await startProcess('agent', name, {
      'data-dir': join(folder, name),
      device: name,
      broker: coordinator.mqttUrl ?? '',
      'http-port': port,
      'update-root': root,
      'status-interval-ms': 200,
      ...flags,
    });
    processes[name] = agent;
    return agent;
  };
  const pem = await readFile(key('keys/director.pem'), 'utf8');
  const director = createKeySigner(createPrivateKey(pem));
  if (!director.ok) throw new Error(director.error.message);
  const database = await must(openSqlite(join(dataDir, 'coordinator.sqlite')));
  atEnd(() => database.destroy());
  const store = createSqlCoordinatorStore(database, systemClock);

  return {
    folder,
    coordinator,
    startDevice,
    device,
    /** Signed by two of the key holders, and its bytes where devices find them. */
    async publish(bundle: string): Promise<Partial<ModelAssignment>> {
      await tuf('add', '--bundle', bundle);
      for (const n of [1, 2]) await tuf('sign', '--key', key(`offline-keys/targets-${n}.pem`));
      await tuf('publish');
      const bytes = await readFile(join(bundle, 'manifest.json'));
      const manifest = manifestSchema.parse(JSON.parse(bytes.toString()));
      const files = manifest.variants.flatMap(({ files }) => Object.values(files));
      for (const path of ['manifest.json', ...files.map(({ path }) => path)]) {
        const body = await readFile(join(bundle, path));
        const put = await fetch(`${coordinator.httpUrl}/v1/blobs/${sha256(body)}`, {
          method: 'PUT',
          body,
        });
        if (put.status !== 201) throw new Error(`${path}: ${put.status}`);
      }
      return {
        model: 'digits',
        version: manifest.version,
        target: `digits/${manifest.version}/manifest.json`,
        bundle: { digest: sha256(bytes), bytes: bytes.length },
      };
    },
    /** The repository's metadata in one file, for who reaches no HTTP. */
    async pack() {
      const path = join(folder, 'pack.json');
      await tuf('pack', '--out', path);
      const body = await readFile(path);
      const ref = { digest: sha256(body), bytes: body.length };
      const url = `${coordinator.httpUrl}/v1/blobs/${ref.digest}`;
      const put = await fetch(url, { method: 'PUT', body });
      if (put.status !== 201) throw new Error(`the pack: ${put.status}`);
      return ref;
    },
    async assign(
      counter: number,
      terms: Partial<ModelAssignment>,
      more: Partial<Assignment> = {},
      to = 'device-1',
    ) {
      const soak = { forMs: 300, requestsMin: 5, limits: sampleModelAssignment().soak.limits };
      const models = [sampleModelAssignment({ soak, ...terms })];
      const issuedMs = Date.now();
      const assignment = sampleAssignment({
        device: to,
        counter,
        models,
        issuedMs,
        ...more,
      });
      const payload = new TextEncoder().encode(JSON.stringify(assignment));
      const envelope = await must(signEnvelope(director.value, assignmentPayloadType, payload));
      const bytes = new TextEncoder().encode(JSON.stringify(envelope));
      await must(store.append(to, { kind: 'assignment', envelope: bytes }, issuedMs));
    },
    async told(name = 'device-1'): Promise<Told> {
      const response = await fetch(`${device(name).httpUrl}/v1/updates`);
      const { models } = (await response.json()) as { models: Told[] };
      const [model] = models;
      if (model === undefined) throw new Error('no model is updated');
      return model;
    },
  };
}
