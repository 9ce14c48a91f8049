// A TUF client by the command line of the public conformance suite (theupdateframework/tuf-conformance, CLIENT-CLI.md):
// the code that devices trust, and nothing around it. It believes the system's clock, for the suite sets it back.

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { parseArgs } from 'node:util';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { createHttpMetadataSource, fetchBounded } from '../adapters/http-metadata-source.ts';
import { createRunTuf } from '../adapters/run-tuf.ts';
import { createTrustDirectory } from '../adapters/trust-directory.ts';
import { type MetadataFiles, readRoot } from '../update/trust/accepted-metadata.ts';
import { createTrustClient } from '../update/trust/trust-client.ts';

const usage = `tuf-client --metadata-dir D init ROOT.json
tuf-client --metadata-dir D --metadata-url U refresh
tuf-client --metadata-dir D --metadata-url U --target-name N… --target-base-url B --target-dir T download
`;

const http = { fetch, clock: systemClock };

const done = await run(process.argv.slice(2)).catch((thrown) =>
  err(failure('internal', messageOf(thrown))),
);
if (!done.ok) process.stderr.write(`${done.error.code}: ${done.error.message}\n`);
process.exitCode = done.ok ? 0 : 1;

async function run(argv: readonly string[]): Promise<Result<void>> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      'metadata-dir': text,
      'metadata-url': text,
      'target-name': { type: 'string', multiple: true },
      'target-base-url': text,
      'target-dir': text,
    },
  });
  const [command, root] = positionals;
  const { 'metadata-dir': folder, 'metadata-url': url } = values;
  if (folder === undefined) return wrongUsage();
  const files = createTrustDirectory(folder);
  if (command === 'init' && root !== undefined)
    return files.save('root.json', await readFile(root));
  if (url === undefined) return wrongUsage();
  const client = createTrustClient(
    { releasedMs: 0 },
    { files, runTuf: createRunTuf(systemClock), clock: systemClock },
  );
  const source = createHttpMetadataSource(url, http);
  if (command === 'refresh') return client.refresh(source);
  const { 'target-name': names, 'target-base-url': baseUrl, 'target-dir': into } = values;
  if (command !== 'download' || !names || baseUrl === undefined || into === undefined)
    return wrongUsage();
  const refreshed = await client.refresh(source, names);
  if (!refreshed.ok) return refreshed;
  for (const name of names) {
    const file = await client.targetFile(name);
    if (!file.ok) return file;
    const root = await files.load();
    if (!root.ok) return root;
    const url = `${baseUrl.replace(/\/$/, '')}/${remoteName(file.value, root.value)}`;
    const got = await download(file.value, url, join(into, encodeURIComponent(name)));
    if (!got.ok) return got;
  }
  return ok(undefined);
}

interface Wanted {
  readonly path: string;
  readonly length: number;
  readonly hashes: Readonly<Record<string, string>>;
}

/** Under consistent snapshots the file's name has its hash before it (TUF specification §5.7.3). */
function remoteName({ path, hashes }: Wanted, files: MetadataFiles): string {
  const root = readRoot(files.get('root.json') ?? new Uint8Array());
  if (!root.ok || !root.value.signed.consistentSnapshot) return path;
  const { dir, base } = posix.parse(path);
  return posix.join(dir, `${Object.values(hashes)[0]}.${base}`);
}

/** Where it is not there already. */
async function download(file: Wanted, url: string, into: string): Promise<Result<void>> {
  const there = await readFile(into).catch(() => undefined);
  if (there !== undefined && isWanted(file, there)) return ok(undefined);
  const bytes = await fetchBounded(url, file.length, http);
  if (!bytes.ok) return bytes;
  if (!isWanted(file, bytes.value))
    return err(failure('digest_mismatch', `${url} is not what the metadata says`));
  await writeFile(into, bytes.value);
  return ok(undefined);
}

function isWanted({ length, hashes }: Wanted, bytes: Uint8Array): boolean {
  const digests = Object.entries(hashes);
  if (digests.length === 0 || bytes.length !== length) return false;
  return digests.every(
    ([algorithm, hex]) => createHash(algorithm).update(bytes).digest('hex') === hex,
  );
}

function wrongUsage(): Result<void> {
  process.stderr.write(usage);
  return err(failure('invalid_argument', 'expected one of the above'));
}
