// The page that is a device itself: its own files, and the modules that it shares with this agent, as they were built.
// No bundler: the modules' own imports are followed once, at start, and an import map tells the browser where the two
// packages and onnxruntime-web lie.

import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { browserModules } from '@skerry/models/node';
import { browserModule, pageFiles } from '@skerry/shared/node';
import { type Context, Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

/** Seen from src/http and from dist/http alike. */
const folderOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const page = folderOf('../../app/');
const own = folderOf('../../dist/');
const doors = ['browser/open-device.js', 'browser/centre-digit.js'].map((path) => join(own, path));

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

export function pageRoutes(): Hono {
  const files = new Map<string, string>();
  for (const name of ['app.css', 'app.js']) files.set(name, join(page, name));
  for (const [name, file] of Object.entries(pageFiles)) files.set(name, file);
  const modules = (folder: string, root: string, entries: readonly string[]): void => {
    for (const file of entries.flatMap((entry) => modulesFrom(entry)))
      files.set(`modules/${folder}/${relative(root, file)}`, file);
  };
  modules('edge-agent', own, doors);
  modules('models', dirname(browserModules.models), [browserModules.models]);
  modules('shared', dirname(browserModule), [browserModule]);
  const { onnxruntime } = browserModules;
  const wasm = join(dirname(onnxruntime), 'ort-wasm-simd-threaded.wasm');
  for (const file of [onnxruntime, wasm]) files.set(`modules/onnxruntime/${basename(file)}`, file);

  const html = readFileSync(join(page, 'index.html'), 'utf8');
  const app = new Hono();
  app.use(secureHeaders({ contentSecurityPolicy: policyOf(html), strictTransportSecurity: false }));
  app.get('/', (c) =>
    c.body(html, 200, { 'content-type': types['.html'] ?? '', 'cache-control': 'no-cache' }),
  );
  for (const [path, file] of files) app.get(`/${path}`, (c) => serveFile(c, file));
  return app;
}

/** A module and all that it imports by a relative path. */
function modulesFrom(entry: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(entry)) return [];
  seen.add(entry);
  for (const [, path = ''] of readFileSync(entry, 'utf8').matchAll(/ from ["'](\.[^"']+)["']/g))
    modulesFrom(join(dirname(entry), path), seen);
  return [...seen];
}

/** Everything from here, nothing from elsewhere; of inline scripts the import map alone. */
function policyOf(html: string) {
  const map = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
  const digest = createHash('sha256').update(map).digest('base64');
  return {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'", "'wasm-unsafe-eval'", `'sha256-${digest}'`],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  };
}

/** Streamed: onnxruntime-web's WebAssembly is thirteen megabytes, which this process need not hold. */
function serveFile(c: Context, file: string): Response {
  const { size, mtimeMs } = statSync(file);
  const etag = `"${size}-${Math.round(mtimeMs)}"`;
  const headers = { etag, 'cache-control': 'no-cache' };
  if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers);
  const type = types[extname(file)] ?? 'application/octet-stream';
  const described = { ...headers, 'content-length': String(size), 'content-type': type };
  if (c.req.method === 'HEAD') return c.body(null, 200, described);
  return c.body(Readable.toWeb(createReadStream(file)) as ReadableStream, 200, described);
}
