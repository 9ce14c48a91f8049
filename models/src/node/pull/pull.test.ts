import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256, systemClock } from '@skerry/shared/node';
import { create } from 'tar';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createFileFetcher } from './fetch-file.ts';
import { createHttpsFetcher } from './fetch-https.ts';
import { createNpmFetcher } from './fetch-npm.ts';
import { parseSource, type Source } from './parse-source.ts';
import { type Fetchers, pull } from './pull.ts';

const content = new Uint8Array(100_000).map((_, i) => i % 251);
const digest = sha256(content);

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'skerry-pull-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The same fetchers as the command's, but that HTTPS is spoken to a server of ours in the clear. */
function fetchers(port = 0): Fetchers {
  const plain: typeof fetch = async (input, init) => {
    const response = await fetch(
      String(input).replace('https://host', `http://127.0.0.1:${port}`),
      init,
    );
    Object.defineProperty(response, 'url', { value: response.url.replace('http:', 'https:') });
    return response;
  };
  return {
    npm: createNpmFetcher(),
    https: createHttpsFetcher({ fetch: plain, clock: systemClock }),
    file: createFileFetcher(),
  };
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const https: Source = { kind: 'https', url: 'https://host/model.onnx' };
const silent = () => {};

describe('a source', () => {
  it.each<[string, Source]>([
    ['npm:a@1.2.3#dist/m.onnx', { kind: 'npm', name: 'a', version: '1.2.3', path: 'dist/m.onnx' }],
    ['npm:@b/a@1.0.0-rc.1#m', { kind: 'npm', name: '@b/a', version: '1.0.0-rc.1', path: 'm' }],
    ['https://host/m', { kind: 'https', url: 'https://host/m' }],
    ['file:../m', { kind: 'file', path: '../m' }],
  ])('%s is one', (text, source) => {
    expect(parseSource(text)).toEqual({ ok: true, value: source });
  });

  it.each([
    ...['npm:a#m', 'npm:a@^1.0.0#m', 'npm:a@latest#m', 'npm:a@1.0.0', 'npm:a@1.0.0#../m'],
    ...[
      'npm:a@1.0.0#/m',
      'npm:--flag@1.0.0#m/../../x',
      'http://host/m',
      'ftp://host/m',
      'file:',
      'm.onnx',
    ],
  ])('%s is none', (text) => {
    expect(parseSource(text)).toMatchObject({ ok: false, error: { code: 'invalid_argument' } });
  });
});

describe('pull', () => {
  it('brings a file, once', async () => {
    const home = folder();
    writeFileSync(join(home, 'there'), content);
    const source: Source = { kind: 'file', path: join(home, 'there') };
    const out = join(home, 'new', 'here');
    expect(await pull(source, digest, out, fetchers(), silent)).toEqual({
      ok: true,
      value: 'pulled',
    });
    expect(new Uint8Array(readFileSync(out))).toEqual(content);
    expect(await pull(source, digest, out, fetchers(), silent)).toEqual({
      ok: true,
      value: 'present',
    });
  });

  it('keeps nothing of other bytes, and leaves what was there', async () => {
    const home = folder();
    writeFileSync(join(home, 'there'), 'other');
    writeFileSync(join(home, 'here'), 'old');
    const source: Source = { kind: 'file', path: join(home, 'there') };
    const result = await pull(source, digest, join(home, 'here'), fetchers(), silent);
    expect(result).toMatchObject({ ok: false, error: { code: 'digest_mismatch' } });
    expect(readdirSync(home).sort()).toEqual(['here', 'there']);
    expect(readFileSync(join(home, 'here'), 'utf8')).toBe('old');
  });

  it('goes on where a broken transfer stopped', async () => {
    const ranges: (string | undefined)[] = [];
    const port = await serve((request, response) => {
      const { range } = request.headers;
      ranges.push(range);
      if (range === undefined) {
        response.writeHead(200, { 'content-length': content.length });
        response.write(content.subarray(0, 40_000), () => setTimeout(() => response.destroy(), 50));
        return;
      }
      const start = Number(/bytes=(\d+)-/.exec(range)?.[1]);
      response.writeHead(206, {
        'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
      });
      response.end(content.subarray(start));
    });
    const out = join(folder(), 'm');
    const first = await pull(https, digest, out, fetchers(port), silent);
    expect(first).toMatchObject({ ok: false, error: { code: 'unavailable', retryable: true } });
    const seen: number[] = [];
    const second = await pull(https, digest, out, fetchers(port), (bytes) => seen.push(bytes));
    expect(second).toEqual({ ok: true, value: 'pulled' });
    expect(ranges).toEqual([undefined, 'bytes=40000-']);
    expect(Math.min(...seen)).toBeGreaterThan(40_000);
    expect(new Uint8Array(readFileSync(out))).toEqual(content);
  });

  it('begins anew with a server that knows no ranges', async () => {
    const port = await serve((_, response) => response.end(content));
    const home = folder();
    writeFileSync(join(home, `m.${digest.slice(7, 19)}.part`), content.subarray(0, 500));
    const out = join(home, 'm');
    expect((await pull(https, digest, out, fetchers(port), silent)).ok).toBe(true);
    expect(new Uint8Array(readFileSync(out))).toEqual(content);
  });

  it.each([
    ['an error', 404],
    ['a range that nobody asked for', 206],
  ])('refuses %s', async (_, status) => {
    const port = await serve((_request, response) => response.writeHead(status).end('x'));
    const result = await pull(https, digest, join(folder(), 'm'), fetchers(port), silent);
    expect(result).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });

  it('takes one file out of a package, and runs none of its scripts', async () => {
    const home = folder();
    const made = join(home, 'made');
    mkdirSync(join(made, 'dist'), { recursive: true });
    const scripts = {
      preinstall: `touch ${home}/ran`,
      prepack: '',
      postinstall: `touch ${home}/ran`,
    };
    writeFileSync(
      join(made, 'package.json'),
      JSON.stringify({ name: 'made', version: '1.0.0', scripts }),
    );
    writeFileSync(join(made, 'dist', 'm.onnx'), content);
    writeFileSync(join(made, 'dist', 'other'), 'x');
    await create({ file: join(home, 'made-1.0.0.tgz'), gzip: true, cwd: made, prefix: 'package' }, [
      '.',
    ]);
    const archive = readFileSync(join(home, 'made-1.0.0.tgz'));
    const port = await serve((request, response) => {
      if (request.url?.endsWith('.tgz')) return response.end(archive);
      const tarball = `http://127.0.0.1:${port}/made-1.0.0.tgz`;
      const versions = { '1.0.0': { name: 'made', version: '1.0.0', dist: { tarball } } };
      return response.end(
        JSON.stringify({ name: 'made', 'dist-tags': { latest: '1.0.0' }, versions }),
      );
    });
    const before = process.env['npm_config_registry'];
    process.env['npm_config_registry'] = `http://127.0.0.1:${port}/`;
    onTestFinished(() => {
      if (before === undefined) delete process.env['npm_config_registry'];
      else process.env['npm_config_registry'] = before;
    });
    const source: Source = { kind: 'npm', name: 'made', version: '1.0.0', path: 'dist/m.onnx' };
    const out = join(home, 'out', 'm.onnx');
    expect(await pull(source, digest, out, fetchers(), silent)).toEqual({
      ok: true,
      value: 'pulled',
    });
    expect(readdirSync(join(home, 'out'))).toEqual(['m.onnx']);
    expect(readdirSync(home)).not.toContain('ran');
    const missing = await pull(
      { ...source, path: 'dist/none' },
      sha256(new Uint8Array()),
      join(home, 'n'),
      fetchers(),
      silent,
    );
    expect(missing).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });
});
