// TrustStore and StagingArea as files: blobs/{sha256}, heads/{revision}.json, staged/{role}.json. A head is made whole
// beside its place and linked into it, which fails where there is one: two coordinators over one folder, or an operator's
// command beside them, publish one after the other or not at all.

import { link, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  digestSchema,
  err,
  failure,
  messageOf,
  nameSchema,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { attempt, flushFolder, sha256, systemClock, writeFlushed } from '@skerry/shared/node';
import { type Metadata, parseAnyMetadata } from '../update/trust/metadata.ts';
import {
  type Head,
  headSchema,
  type StagingArea,
  type TrustStore,
} from '../update/trust/trust-store.ts';

/** A reader that has listed the folder finds the newest still there. */
const headsKept = 16;
/** What a publication has written and not yet named is younger. */
const pruneAgeMs = 24 * 3_600_000;
const headBytesMax = 1024 * 1024;
/** A folder that has changed just now may change again within one tick of its disk's clock. */
const settledMs = 1_000;
/** A fleet asks for the same few files. */
const cachedBytesMax = 16 * 1024 * 1024;
const stagedMax = 256;

let drafts = 0;

export function createTrustFiles(folder: string, nowMs: () => number): TrustStore {
  const at = { blobs: join(folder, 'blobs'), heads: join(folder, 'heads') };
  const blobPath = (digest: string): string => join(at.blobs, digest.slice('sha256:'.length));
  const headPath = (revision: number): string => join(at.heads, `${revision}.json`);

  const revisions = async (): Promise<number[]> => {
    const names = await readdir(at.heads).catch(absent([]));
    const numbers = names.flatMap((name) => /^([1-9]\d*)\.json$/.exec(name)?.[1] ?? []);
    return numbers.map(Number).sort((a, b) => a - b);
  };

  const cache = createBytesCache();
  let settled: { readonly changed: bigint; readonly head: Head } | undefined;

  return {
    async head() {
      const changed = await attempt(() =>
        stat(at.heads, { bigint: true }).catch(absent(undefined)),
      );
      if (!changed.ok) return changed;
      if (changed.value === undefined) return ok(undefined);
      const { mtimeNs, mtimeMs } = changed.value;
      if (settled?.changed === mtimeNs) return ok(settled.head);
      const found = await attempt(async () => {
        const last = (await revisions()).at(-1);
        return last === undefined ? undefined : readFile(headPath(last));
      });
      if (!found.ok) return found;
      if (found.value === undefined) return ok(undefined);
      const head = parseHead(found.value);
      const isSettled = systemClock.nowMs() - Number(mtimeMs) > settledMs;
      if (head.ok && isSettled) settled = { changed: mtimeNs, head: head.value };
      return head;
    },

    async commit(head) {
      const text = JSON.stringify(head);
      if (text.length > headBytesMax)
        return err(failure('too_large', 'the head has too many files'));
      const committed = await attempt(async () => {
        const before = (await revisions()).at(-1) ?? 0;
        if (head.revision !== before + 1) return false;
        const draft = await writeDraft(at.heads, Buffer.from(text));
        try {
          await link(draft, headPath(head.revision));
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
          throw thrown;
        } finally {
          await rm(draft, { force: true });
        }
        await flushFolder(at.heads);
        for (const old of (await revisions()).slice(0, -headsKept))
          await rm(headPath(old), { force: true });
        return true;
      });
      if (!committed.ok) return committed;
      if (committed.value) return ok(undefined);
      return err(failure('overloaded', 'somebody else has published meanwhile'));
    },

    write: (bytes) =>
      attempt(async () => {
        const digest = sha256(bytes);
        await rename(await writeDraft(at.blobs, bytes), blobPath(digest));
        await flushFolder(at.blobs);
        return digest;
      }),

    async read(digest) {
      if (!digestSchema.safeParse(digest).success)
        return err(failure('invalid_argument', 'expected a digest'));
      const cached = cache.get(digest);
      if (cached !== undefined) return ok(cached);
      const bytes = await attempt(() => readFile(blobPath(digest)).catch(absent(undefined)));
      if (!bytes.ok) return bytes;
      if (bytes.value === undefined)
        return err(failure('not_found', `no ${digest} in ${at.blobs}`));
      if (sha256(bytes.value) !== digest)
        return err(failure('digest_mismatch', `${blobPath(digest)} is not what was written`));
      const content = new Uint8Array(bytes.value);
      cache.put(digest, content);
      return ok(content);
    },

    prune: (keep) =>
      attempt(async () => {
        for (const name of await readdir(at.blobs).catch(absent([]))) {
          if (keep.has(`sha256:${name}`)) continue;
          const path = join(at.blobs, name);
          const { mtimeMs = Number.POSITIVE_INFINITY } =
            (await stat(path).catch(absent(null))) ?? {};
          if (nowMs() - mtimeMs > pruneAgeMs) await rm(path, { force: true });
        }
      }),
  };
}

/** The latest that were read; what their digest names does not change. */
function createBytesCache() {
  const held = new Map<string, Uint8Array>();
  let bytes = 0;
  return {
    get: (digest: string): Uint8Array | undefined => held.get(digest),
    put(digest: string, content: Uint8Array): void {
      if (held.has(digest)) return;
      held.set(digest, content);
      bytes += content.length;
      for (const [oldest, { length }] of held) {
        if (bytes <= cachedBytesMax) return;
        held.delete(oldest);
        bytes -= length;
      }
    },
  };
}

/** Indented, for a key holder should read what they sign. */
export function createStagedFiles(folder: string): StagingArea {
  const pathOf = (role: string): string => join(folder, `${role}.json`);
  const named = (role: string): Result<string> =>
    nameSchema.safeParse(role).success
      ? ok(pathOf(role))
      : err(failure('invalid_argument', `'${role}' is no role`));
  return {
    async list() {
      const names = await attempt(() => readdir(folder).catch(absent([])));
      if (!names.ok) return names;
      const roles = names.value.flatMap((name) => /^([^.].*)\.json$/.exec(name)?.[1] ?? []);
      if (roles.length > stagedMax)
        return err(failure('too_large', `more than ${stagedMax} files in ${folder}`));
      const staged = new Map<string, Metadata>();
      for (const role of roles.sort()) {
        const metadata = await readMetadataFile(pathOf(role));
        if (!metadata.ok) return metadata;
        staged.set(role, metadata.value);
      }
      return ok(staged);
    },

    async put(role, metadata) {
      const path = named(role);
      return path.ok ? writeMetadataFile(path.value, metadata) : path;
    },

    async drop(role) {
      const path = named(role);
      return path.ok ? attempt(() => rm(path.value, { force: true })) : path;
    },
  };
}

export async function readMetadataFile(path: string): Promise<Result<Metadata>> {
  const bytes = await attempt(() => readFile(path));
  if (!bytes.ok) return bytes;
  const parsed = parseAnyMetadata(bytes.value);
  return parsed.ok ? parsed : err({ ...parsed.error, message: `${path}: ${parsed.error.message}` });
}

export const writeMetadataFile = (path: string, metadata: Metadata): Promise<Result<void>> =>
  attempt(async () => {
    const text = `${JSON.stringify(metadata, null, 2)}\n`;
    const folder = join(path, '..');
    await rename(await writeDraft(folder, Buffer.from(text)), path);
    await flushFolder(folder);
  });

function parseHead(bytes: Uint8Array): Result<Head> {
  const json = parseJson(bytes, 'the head', 'storage_failed');
  if (!json.ok) return json;
  const head = headSchema.safeParse(json.value);
  return head.success ? ok(head.data) : err(failure('storage_failed', 'the head is damaged'));
}

/** Whole on the disk, under a name that nobody reads. */
async function writeDraft(folder: string, bytes: Uint8Array): Promise<string> {
  await mkdir(folder, { recursive: true });
  drafts += 1;
  const path = join(folder, `.${process.pid}.${drafts}.draft`);
  await writeFlushed(path, bytes);
  return path;
}

const absent =
  <T>(fallback: T) =>
  (thrown: unknown): T => {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return fallback;
    throw new Error(messageOf(thrown));
  };
