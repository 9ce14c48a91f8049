// A bundle by each way in, and what each way refuses.

import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { sha256, systemClock } from '@skerry/shared/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { blobPath, filepathAnnotation, mediaTypes, referenceAnnotation } from './oci-layout.ts';
import { openBundle } from './open-bundle.ts';
import { writeOciLayout } from './write-oci-layout.ts';

const digits = join(zooDirectory, 'digits');
const files = ['cloud.int8.onnx', 'cloud.onnx', 'edge.int8.onnx', 'edge.onnx'];
const ports = { fetch, clock: systemClock, onProgress: () => {} };
const open = (source: string, reference?: string) => openBundle(source, reference, ports);

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'skerry-source-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
function copyOfDigits(): string {
  const copy = join(folder(), 'digits');
  cpSync(digits, copy, { recursive: true });
  return copy;
}
async function layoutOfDigits(): Promise<string> {
  const bundle = await open(digits);
  const layout = join(folder(), 'layout');
  const written = bundle.ok ? await writeOciLayout(bundle.value, layout, '1.0.0') : bundle;
  if (!written.ok) throw new Error(written.error.message);
  return layout;
}
const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const fails = (code: string, words: string) => ({
  ok: false,
  error: { code, message: expect.stringContaining(words) },
});

describe('a folder', () => {
  it('[OPS6] is a bundle when its manifest keeps every rule and every file is what it says', async () => {
    const opened = await open(digits);
    if (!opened.ok) throw new Error(opened.error.message);
    expect(opened.value.manifest.name).toBe('digits');
    const paths = Object.values(opened.value.manifest.variants[0]?.files ?? {});
    for (const { sha256: digest, path } of paths)
      expect(opened.value.pathOf(digest)).toMatch(new RegExp(`${path}$`));
  });

  it('[OPS6] is none with another byte, another size, a missing file, or one from elsewhere', async () => {
    const changed = copyOfDigits();
    const bytes = readFileSync(join(changed, 'edge.onnx'));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(join(changed, 'edge.onnx'), bytes);
    expect(await open(changed)).toMatchObject(fails('digest_mismatch', 'edge.onnx'));
    const longer = copyOfDigits();
    appendFileSync(join(longer, 'edge.onnx'), 'x');
    expect(await open(longer)).toMatchObject(fails('invalid_bundle', 'edge.onnx'));
    const missing = copyOfDigits();
    rmSync(join(missing, 'edge.onnx'));
    expect(await open(missing)).toMatchObject(fails('invalid_bundle', 'edge.onnx'));
    symlinkSync(join(digits, 'edge.onnx'), join(missing, 'edge.onnx'));
    expect(await open(missing)).toMatchObject(fails('invalid_bundle', 'leads out'));
    expect(await open(join(missing, 'nowhere'))).toMatchObject(
      fails('invalid_bundle', 'manifest.json'),
    );
  });
});

describe('an OCI layout', () => {
  it('[OPS7] is the bundle that was packed, and packing gives the same bytes again', async () => {
    const layout = await layoutOfDigits();
    const opened = await open(layout);
    if (!opened.ok) throw new Error(opened.error.message);
    expect(Buffer.from(opened.value.manifestBytes)).toEqual(
      readFileSync(join(digits, 'manifest.json')),
    );
    expect(readFileSync(join(await layoutOfDigits(), 'index.json'))).toEqual(
      readFileSync(join(layout, 'index.json')),
    );
  });

  /** Replaces the artefact by a changed one. */
  function changeImage(layout: string, change: (image: Image) => void): void {
    const index = readJson(join(layout, 'index.json'));
    const image = readJson(blobPath(layout, index.manifests[0].digest));
    change(image);
    const text = JSON.stringify(image);
    const digest = sha256(new TextEncoder().encode(text));
    writeFileSync(blobPath(layout, digest), text);
    index.manifests[0] = { ...index.manifests[0], digest, size: text.length };
    writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  }
  interface Image {
    layers: { mediaType: string; digest: string; annotations: Record<string, string> }[];
  }
  const layerOf = (image: Image, path: string) => {
    const layer = image.layers.find((each) => each.annotations[filepathAnnotation] === path);
    if (layer === undefined) throw new Error(path);
    return layer;
  };

  it('[OPS7] is none where a blob is not its digest, a layer is another file, or one lacks', async () => {
    const damaged = await layoutOfDigits();
    const index = join(damaged, 'index.json');
    const { digest } = readJson(index).manifests[0];
    appendFileSync(blobPath(damaged, digest), ' ');
    expect(await open(damaged)).toMatchObject(fails('digest_mismatch', 'not the blob'));

    const swapped = await layoutOfDigits();
    changeImage(swapped, (image) => {
      layerOf(image, 'edge.onnx').digest = layerOf(image, 'cloud.onnx').digest;
    });
    expect(await open(swapped)).toMatchObject(fails('digest_mismatch', 'edge.onnx'));

    const archived = await layoutOfDigits();
    changeImage(archived, (image) => {
      layerOf(image, 'edge.onnx').mediaType = 'application/vnd.cncf.model.weight.v1.tar';
    });
    expect(await open(archived)).toMatchObject(fails('invalid_bundle', 'edge.onnx'));

    const elsewhere = await layoutOfDigits();
    changeImage(elsewhere, (image) => {
      layerOf(image, 'manifest.json').annotations = { [filepathAnnotation]: '../manifest.json' };
    });
    expect(await open(elsewhere)).toMatchObject(fails('invalid_bundle', 'named manifest.json'));

    const linked = await layoutOfDigits();
    const { sha256: edge } = readJson(join(digits, 'manifest.json')).variants[0].files.edge;
    rmSync(blobPath(linked, edge));
    symlinkSync(join(digits, 'edge.onnx'), blobPath(linked, edge));
    expect(await open(linked)).toMatchObject(fails('invalid_bundle', 'leads out'));
  });

  it('[OPS7] of several artefacts is the one that was asked for', async () => {
    const layout = await layoutOfDigits();
    const index = readJson(join(layout, 'index.json'));
    const [only] = index.manifests;
    const other = {
      ...only,
      mediaType: mediaTypes.index,
      annotations: { [referenceAnnotation]: 'other' },
    };
    writeFileSync(
      join(layout, 'index.json'),
      JSON.stringify({ ...index, manifests: [only, other] }),
    );
    expect(await open(layout)).toMatchObject(fails('invalid_bundle', '--reference'));
    expect(await open(layout, 'none')).toMatchObject(fails('invalid_bundle', '1.0.0, other'));
    expect(await open(layout, 'other')).toMatchObject(
      fails('invalid_bundle', 'not an image manifest'),
    );
    expect(await open(layout, '1.0.0')).toMatchObject({ ok: true });
  });
});

describe('an address', () => {
  async function serve(answer: (path: string) => Uint8Array | number | string): Promise<string> {
    const server = createServer(({ url = '' }, response) => {
      const found = answer(url);
      if (found === 'endless') flood(response);
      else if (typeof found === 'string') response.writeHead(302, { location: found }).end();
      else if (typeof found === 'number') response.writeHead(found).end();
      else response.end(found);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const flood = (response: ServerResponse): void => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  };
  const fromZoo = (path: string) => readFileSync(join(digits, path.split('/').at(-1) ?? ''));

  it('[OPS8] gives the bundle whose files lie beside its manifest, and leaves nothing behind', async () => {
    const asked: string[] = [];
    const base = await serve((path) => {
      asked.push(path);
      return fromZoo(path);
    });
    const opened = await open(`${base}/models/digits/manifest.json`);
    if (!opened.ok) throw new Error(opened.error.message);
    expect(asked.sort()).toEqual(
      [...files, 'manifest.json'].sort().map((name) => `/models/digits/${name}`),
    );
    const { edge } = opened.value.manifest.variants[0]?.files ?? {};
    const path = opened.value.pathOf(edge?.sha256 ?? '');
    expect(readFileSync(path)).toEqual(readFileSync(join(digits, 'edge.onnx')));
    await opened.value.close();
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });

  it('[OPS8] is tried again where the server fails, and no more than a few times', async () => {
    let failures = 2;
    const base = await serve((path) => (failures-- > 0 ? 503 : fromZoo(path)));
    const opened = await open(`${base}/manifest.json`);
    expect(opened).toMatchObject({ ok: true });
    if (opened.ok) await opened.value.close();
    let asked = 0;
    const broken = await serve(() => {
      asked += 1;
      return 503;
    });
    expect(await open(`${broken}/manifest.json`)).toMatchObject(fails('unavailable', '503'));
    expect(asked).toBe(3);
  });

  it('[OPS8] is refused in the clear, where it leads there, with more or other bytes, and without a file', async () => {
    expect(await open('http://example.com/manifest.json')).toMatchObject(
      fails('invalid_argument', 'https://'),
    );
    const long = await serve((path) => (path.endsWith('edge.onnx') ? 'endless' : fromZoo(path)));
    expect(await open(`${long}/manifest.json`)).toMatchObject(fails('invalid_bundle', 'more than'));
    const other = await serve((path) => {
      const bytes = fromZoo(path);
      return path.endsWith('edge.onnx') ? bytes.fill(0) : bytes;
    });
    expect(await open(`${other}/manifest.json`)).toMatchObject(
      fails('digest_mismatch', 'edge.onnx'),
    );
    const missing = await serve((path) => (path.endsWith('edge.onnx') ? 404 : fromZoo(path)));
    expect(await open(`${missing}/manifest.json`)).toMatchObject(fails('not_found', 'edge.onnx'));
  });

  it('[OPS8] is followed where it leads, so far, and who is not allowed is not even asked', async () => {
    const moved = await serve((path) =>
      path.startsWith('/to/') ? fromZoo(path) : `..${path.replace('/from', '/to')}`,
    );
    const opened = await open(`${moved}/from/manifest.json`);
    expect(opened).toMatchObject({ ok: true });
    if (opened.ok) await opened.value.close();
    const round = await serve(() => '/manifest.json');
    expect(await open(`${round}/manifest.json`)).toMatchObject(fails('not_found', 'redirects'));
    // Back from there it would be allowed: so each step is looked at, not the last.
    const home = await serve((path) =>
      path === '/manifest.json' ? 'http://elsewhere.invalid/hop' : fromZoo(path),
    );
    const asked: string[] = [];
    const watched: typeof fetch = (url, init) => {
      asked.push(String(url));
      return fetch(url, init);
    };
    const led = { ...ports, fetch: watched };
    expect(await openBundle(`${home}/manifest.json`, undefined, led)).toMatchObject(
      fails('invalid_argument', 'elsewhere.invalid'),
    );
    expect(asked).toEqual([`${home}/manifest.json`]);
  });
});
