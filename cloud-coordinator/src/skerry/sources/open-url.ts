// A bundle from a web server: its manifest.json by address, its files relative to that. Each is fetched into a folder of its
// own, cut off at the size that the manifest says, and the folder is checked as any other is.

import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { manifestBytesMax } from '@skerry/models/node';
import { type Clock, err, failure, messageOf, ok, type Result, sleep } from '@skerry/shared';
import { type Fetch, isLoopback } from '@skerry/shared/node';
import { readManifest } from '../../update/registry/index.ts';
import { bundleFiles, type LocalBundle } from './local-bundle.ts';
import { openFolder } from './open-folder.ts';

export interface UrlPorts {
  readonly fetch: Fetch;
  readonly clock: Clock;
  onProgress(name: string, bytes: number, total: number): void;
}

/** Without a byte for so long, a transfer ends. */
const stallMs = 30_000;
const triesMax = 3;
/** Of one transfer. */
const redirectsMax = 5;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Before the second try; twice that before the third. */
const pauseMs = 200;

export async function openUrl(address: string, ports: UrlPorts): Promise<Result<LocalBundle>> {
  const where = allowed(address);
  if (!where.ok) return where;
  const folder = await mkdtemp(join(tmpdir(), 'skerry-bundle-'));
  const close = () => rm(folder, { recursive: true, force: true });
  const opened = await fetchInto(folder, where.value, ports);
  if (!opened.ok) {
    await close();
    return opened;
  }
  return ok({ ...opened.value, close });
}

/** In the clear only on this machine. */
function allowed(address: string): Result<URL> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const may = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  return url !== undefined && may
    ? ok(url)
    : err(
        failure('invalid_argument', `${address}: expected https://…, or http:// on this machine`),
      );
}

async function fetchInto(folder: string, url: URL, ports: UrlPorts): Promise<Result<LocalBundle>> {
  const chunks: Uint8Array[] = [];
  const got = await download(url, manifestBytesMax, ports, async (body) => {
    chunks.length = 0;
    for await (const chunk of body) chunks.push(chunk);
  });
  if (!got.ok) return got;
  const bytes = Buffer.concat(chunks);
  const manifest = readManifest(bytes);
  if (!manifest.ok) return manifest;
  const files = bundleFiles(manifest.value);
  if (!files.ok) return files;
  await writeFile(join(folder, 'manifest.json'), bytes);
  for (const { path, bytes: total } of files.value) {
    const into = join(folder, path);
    await mkdir(dirname(into), { recursive: true });
    const brought = await download(new URL(path, url), total, ports, async (body) => {
      let moved = 0;
      const counted = async function* () {
        for await (const chunk of body) {
          moved += chunk.byteLength;
          ports.onProgress(path, moved, total);
          yield chunk;
        }
      };
      await pipeline(counted, createWriteStream(into));
    });
    if (!brought.ok) return brought;
  }
  return openFolder(folder);
}

async function download(
  url: URL,
  bytesMax: number,
  ports: UrlPorts,
  take: (body: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<Result<void>> {
  for (let tries = 1; ; tries++) {
    const done = await tryDownload(url, bytesMax, ports, take);
    if (done.ok || !done.error.retryable || tries === triesMax) return done;
    await sleep(ports.clock, pauseMs * tries);
  }
}

/** Asks nobody whom a redirect names before it is known to be allowed: in the clear, asking says where the bundle lies. */
async function follow(url: URL, fetch: Fetch, signal: AbortSignal): Promise<Result<Response>> {
  let at = url;
  for (let followed = 0; followed <= redirectsMax; followed++) {
    const response = await fetch(at, { signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (!redirects.has(response.status) || location === null) return ok(response);
    await response.body?.cancel();
    const next = allowed(URL.canParse(location, at.href) ? new URL(location, at).href : location);
    if (!next.ok) return next;
    at = next.value;
  }
  return err(failure('not_found', `${url}: more than ${redirectsMax} redirects`));
}

async function tryDownload(
  url: URL,
  bytesMax: number,
  { fetch, clock }: UrlPorts,
  take: (body: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<Result<void>> {
  const abort = new AbortController();
  const stalled = () => abort.abort(new Error('no byte came any more'));
  let timer = clock.after(stallMs, stalled);
  let bytes = 0;
  try {
    const reached = await follow(url, fetch, abort.signal);
    if (!reached.ok) return reached;
    const response = reached.value;
    if (response.status !== 200 || response.body === null)
      return err(
        failure(
          response.status >= 500 ? 'unavailable' : 'not_found',
          `${url}: HTTP ${response.status}`,
        ),
      );
    const body = Readable.fromWeb(response.body as ReadableStream);
    await take(
      (async function* () {
        for await (const chunk of body) {
          timer.cancel();
          timer = clock.after(stallMs, stalled);
          bytes += chunk.byteLength;
          if (bytes > bytesMax) return;
          yield chunk as Uint8Array;
        }
      })(),
    );
    return bytes > bytesMax
      ? err(failure('invalid_bundle', `${url}: more than ${bytesMax} bytes`))
      : ok(undefined);
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause ? thrown.cause : thrown;
    return err(failure('unavailable', `${url}: ${messageOf(cause)}`));
  } finally {
    timer.cancel();
    abort.abort();
  }
}
