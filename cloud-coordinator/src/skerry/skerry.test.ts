// Commands against the coordinator's own routes, in one process.

import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { type Result, silentLog } from '@skerry/shared';
import { createKeySigner, systemClock } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { chunkBytes, createServeBlob } from '@skerry/sync-protocol/blobs';
import { createMemoryBlobReferences, createMemoryBlobStore } from '@skerry/sync-protocol/testing';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DeviceView } from '../fleet/device-registry.ts';
import { createOperatorCheck, operatorGate } from '../http/operator-gate.ts';
import { registryRoutes } from '../http/registry.ts';
import { rolloutRoutes } from '../http/rollouts.ts';
import {
  createMemoryAssignmentStore,
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../testing/memory-rollout-stores.ts';
import { createModelFleet } from '../testing/model-fleet.ts';
import { incumbentDigest, sampleBundleRef, samplePlan } from '../testing/sample-rollout.ts';
import { createRegistry } from '../update/registry/index.ts';
import { openRollouts } from '../update/rollouts/index.ts';
import type { Answer } from './command.ts';
import { commands } from './commands.ts';
import { createCoordinatorClient } from './coordinator-client.ts';
import { parseCommandLine } from './parse-command-line.ts';

const token = 'an-operator-token-of-thirty-two-characters';
const digits = join(zooDirectory, 'digits');

interface Terms {
  readonly token?: string;
  readonly terminal?: { readonly rows: number; readonly columns: number };
  /** What happens to a request before it reaches the routes. */
  readonly before?: (request: Request, app: Pick<Hono, 'fetch'>) => Promise<void> | undefined;
}

async function world(terms: Terms = {}) {
  const clock = createVirtualClock(1_750_000_000_000);
  const blobs = createMemoryBlobStore();
  const disk = createMemoryRolloutDisk();
  const registry = createRegistry({
    logs: createMemoryEventStore(createMemoryRolloutDisk()),
    blobs,
    references: createMemoryBlobReferences(),
    signer: unwrap(createKeySigner(generateKeyPairSync('ed25519').privateKey)),
    keys: [],
    clock,
  });
  const bundles = [sampleBundleRef(incumbentDigest, '1.0.0'), sampleBundleRef()] as const;
  const fleet = createModelFleet({ devices: 60, seed: 1, bundles });
  const rollouts = unwrap(
    await openRollouts({
      store: createMemoryEventStore(disk),
      assignments: createMemoryAssignmentStore(disk, fleet.ops),
      ops: fleet.ops,
      devices: fleet.directory,
      bundles: fleet.bundles,
      signer: fleet.signer,
      clock,
      log: silentLog,
    }),
  );
  const device = { device: 'box', epoch: 'e', firstSeenMs: 0, lastSeenMs: 0, online: false };
  const devices = { get: (): DeviceView => ({ ...device, status: undefined }) };
  const serveBlob = createServeBlob(blobs, { bytesMax: 2 ** 30, uploadsMax: 4 });
  const app = new Hono()
    .use(operatorGate(createOperatorCheck({ operatorToken: token, asked: true })))
    .route('/v1/registry', registryRoutes(registry, serveBlob))
    .route('/v1', rolloutRoutes({ rollouts, devices, clock, log: silentLog }))
    .get('/v1/devices', (c) => c.json({ devices: [devices.get()], totals: {} }));
  const asked: string[] = [];
  const fetchApp = async (url: string | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(url, init);
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
    await terms.before?.(request, app);
    return app.fetch(request);
  };
  const printed: string[] = [];
  const run = async (...argv: string[]): Promise<Result<Answer>> => {
    const line = unwrap(parseCommandLine(commands, argv, {}));
    const address = { url: line.common.coordinator, token: terms.token ?? token };
    return line.command.run({
      client: createCoordinatorClient(address, { fetch: fetchApp, clock: systemClock }),
      operands: line.operands,
      flags: line.flags,
      json: line.common.json,
      user: 'ada',
      clock: systemClock,
      fetch,
      errorIsTerminal: true,
      terminal: terms.terminal,
      print: (text) => printed.push(text),
      printError: (text) => printed.push(text),
      signal: new AbortController().signal,
    });
  };
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      while (clock.runNext(clock.nowMs() + 10_000)) {}
      fleet.step(clock.nowMs());
      await rollouts.turn();
    }
  };
  return { run, pass, asked, printed, rollouts };
}
const textOf = async (answer: Promise<Result<Answer>>): Promise<string> =>
  unwrap(await answer).text;

function digitsOf(version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(digits, folder, { recursive: true });
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  manifest.version = version;
  manifest.card.metrics.accuracyEndToEnd = 0.5;
  writeFileSync(path, JSON.stringify(manifest));
  return folder;
}

describe('skerry model', () => {
  it('[OPS9] push sends what lacks and nothing else, and shows how far it is', async () => {
    const { run, asked, printed } = await world();
    const pushed = unwrap(await run('model', 'push', digits, '--revision', 'abc'));
    expect(pushed.value).toMatchObject({ model: 'digits', files: 4 });
    expect(printed.join('')).toContain('100 %');
    asked.length = 0;
    const next = unwrap(await run('model', 'push', digitsOf('9.0.0')));
    expect(next.value).toMatchObject({ version: '9.0.0', files: 0, bytes: 0 });
    expect(asked).toEqual(['POST /v1/registry']);
    expect(await textOf(run('model', 'list'))).toBe('digits');
    const shown = await textOf(run('model', 'show', 'digits', '9.0.0'));
    expect(shown).toContain('published by ada');
  });

  it('[OPS9] push goes on where a cut has left it', async () => {
    const ranges: string[] = [];
    const { run } = await world({
      async before(request, app) {
        const range = request.headers.get('content-range');
        if (range === null) return;
        ranges.push(range);
        const [, whole = ''] = range.split('/');
        if (Number(whole) < 4 * chunkBytes || !range.startsWith('bytes 0-')) return;
        // The first chunk arrives, and then the line is cut.
        const body = (await request.arrayBuffer()).slice(0, chunkBytes);
        const headers = new Headers(request.headers);
        headers.set('content-range', `bytes 0-${chunkBytes - 1}/${whole}`);
        headers.set('content-length', String(chunkBytes));
        await app.fetch(new Request(request.url, { method: 'PUT', headers, body }));
        throw new TypeError('the line was cut');
      },
    });
    expect(unwrap(await run('model', 'push', digits)).value).toMatchObject({ files: 4 });
    const cut = ranges.filter((range) => range.startsWith('bytes 0-'));
    const next = ranges.filter((range) => range.startsWith(`bytes ${chunkBytes}-`));
    expect(cut).toHaveLength(4);
    expect(next).toHaveLength(2);
  });

  it('[OPS9] push gives up after a bounded number of tries, and says why', async () => {
    const { run, asked } = await world({
      before(request) {
        if (request.method === 'PUT') throw new TypeError('the line was cut');
        return undefined;
      },
    });
    expect(await run('model', 'push', digits)).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('the line was cut') },
    });
    expect(asked.filter((each) => each.startsWith('PUT'))).toHaveLength(5);
  });

  it('[OPS9] compares, points aliases, archives, restores and tells the history', async () => {
    const { run } = await world();
    const first = unwrap(await run('model', 'push', digits)).value as { version: string };
    await run('model', 'push', digitsOf('9.0.0'));
    const compared = await textOf(run('model', 'compare', 'digits', first.version, '9.0.0'));
    expect(compared).toMatch(/card accuracyEndToEnd +0\.\d+ +0\.5 +-0\.\d+/);
    expect(await textOf(run('model', 'alias', 'digits', 'champion', '9.0.0'))).toContain('9.0.0');
    expect(await textOf(run('model', 'show', 'digits'))).toMatch(/9\.0\.0 +active +champion/);
    const refused = await run('model', 'archive', 'digits', '9.0.0', '--reason', 'old');
    expect(refused).toMatchObject({ error: { message: expect.stringContaining('champion') } });
    await run('model', 'alias', 'digits', 'champion');
    for (const [command, state] of [
      ['archive', 'archived'],
      ['restore', 'active'],
      ['decommission', 'decommissioned'],
    ] as const)
      expect(await textOf(run('model', command, 'digits', '9.0.0', '--reason', 'so'))).toContain(
        state,
      );
    const history = await textOf(run('model', 'history', 'digits', '--json'));
    expect(history.split('\n')).toHaveLength(8);
  });
});

describe('skerry rollout', () => {
  it('[OPS10] begins one by flags or by a file, shows it, takes orders and rolls back', async () => {
    const { run, pass } = await world();
    const flags = ['--model', 'digits', '--version', '1.1.0', '--waves', '20,50%,100%'];
    const dry = unwrap(await run('rollout', 'create', ...flags, '--dry-run'));
    expect(dry.value).toMatchObject({
      id: 'digits-1-1-0',
      waves: [{ count: 20 }, { reach: 0.5 }, {}],
    });
    expect((await run('rollout', 'show', 'digits-1-1-0')).ok).toBe(false);
    const more = ['--soak', '60s', '--approve', 'start'];
    const created = await textOf(run('rollout', 'create', ...flags, ...more));
    expect(created).toContain('waits for somebody to approve wave 0');
    expect(await textOf(run('rollout', 'approve', 'digits-1-1-0'))).toContain('running, wave 0');
    await pass(30_000);
    const shown = await textOf(run('rollout', 'show', 'digits-1-1-0'));
    expect(shown).toMatch(/the gate says now: hold/);
    for (const [order, phase] of [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['abort', 'aborted'],
    ] as const)
      expect(await textOf(run('rollout', order, 'digits-1-1-0'))).toContain(phase);
    await run('rollback', 'digits-1-1-0', '--reason', 'it is bad');
    await pass(60_000);
    expect(await textOf(run('rollout', 'list'))).toMatch(/digits-1-1-0 .*rolled-back.*it is bad/);
    expect(await textOf(run('fleet'))).toContain('it is bad');
    const folder = mkdtempSync(join(tmpdir(), 'skerry-plan-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'plan.json'), JSON.stringify(samplePlan({ id: 'again' })));
    expect(await run('rollout', 'create', join(folder, 'plan.json'))).toMatchObject({
      error: { message: expect.stringContaining('quarantined') },
    });
  });

  it('[OPS10] watches one to its end, and says by its outcome whether it was completed', async () => {
    const { run, pass, printed, rollouts } = await world();
    unwrap(await rollouts.create(samplePlan(), 'ada'));
    const watching = run('rollout', 'watch', 'digits-1', '--json');
    await pass(20 * 60_000);
    expect(await watching).toMatchObject({ ok: true, value: { isBad: false } });
    const views = printed.map((line) => JSON.parse(line));
    expect(views.at(-1)).toMatchObject({ id: 'digits-1', phase: { kind: 'completed' } });
    unwrap(await rollouts.rollBack('digits-1', { by: 'ada', reason: 'late fault' }));
    await pass(120_000);
    expect(await run('rollout', 'watch', 'digits-1')).toMatchObject({ value: { isBad: true } });
    expect(printed.at(-1)).toContain('late fault');
    expect(printed.at(-1)).toMatch(/turned back: \d+ devices/);
  });

  it('[OPS10] draws it anew on a terminal, within its rows and columns', async () => {
    const { run, pass, printed, rollouts } = await world({ terminal: { rows: 8, columns: 40 } });
    unwrap(await rollouts.create(samplePlan(), 'ada'));
    const watching = run('rollout', 'watch', 'digits-1');
    await pass(20 * 60_000);
    await watching;
    expect(printed.length).toBeGreaterThan(1);
    for (const [i, drawn] of printed.entries()) {
      const [up, text = ''] = i === 0 ? ['', drawn] : drawn.split('\u001b[0J');
      expect(up).toBe(i === 0 ? '' : '\u001b[7A\r');
      const lines = text.trimEnd().split('\n');
      expect(lines.length).toBeLessThan(8);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
    }
  });

  it('[OPS10] of a small fleet looks at its devices alone, if asked so', async () => {
    const { run } = await world();
    const flags = ['--model', 'digits', '--version', '1.1.0', '--waves', '1,100%'];
    const small = ['--devices-min', '1', '--failed-max', '1', '--answers-min', '0'];
    expect(await run('rollout', 'create', ...flags)).toMatchObject({
      error: { message: expect.stringContaining('the canary has 1 devices') },
    });
    const created = unwrap(await run('rollout', 'create', ...flags, ...small)).value;
    expect(created).toMatchObject({ phase: { kind: 'running' }, gate: { evidence: [{}] } });
  });

  it('[OPS10] stops the fleet, quarantines and releases a bundle, lists devices and says why', async () => {
    const { run } = await world();
    expect(await textOf(run('stop', '--reason', 'smoke'))).toMatch(/stopped by ada at .*: smoke/);
    expect(await textOf(run('resume'))).toBe('not stopped');
    expect(await textOf(run('rollback', '--bundle', incumbentDigest))).toContain('quarantined');
    expect(await textOf(run('release', incumbentDigest))).toBe('not stopped');
    expect(await textOf(run('devices'))).toMatch(/box +silent/);
    expect(await textOf(run('why', 'box'))).toContain('silent');
    expect((await run('rollback')).ok).toBe(false);
  });
});

describe('the command line', () => {
  it('[OPS12] lets no text from elsewhere move the cursor', async () => {
    const { run, printed, rollouts } = await world();
    unwrap(await rollouts.create(samplePlan(), 'ada'));
    const reason = 'so\u001b[2J\u009b1A\rall is well';
    unwrap(await rollouts.abort('digits-1', { by: 'ada', reason }));
    await run('rollout', 'watch', 'digits-1');
    expect(printed.join('')).toContain('so\ufffd[2J\ufffd1A\ufffdall is well');
  });

  it.each([
    [['model', 'puss', 'x'], 'no command'],
    [['model', 'push'], 'expected: skerry model push SOURCE'],
    [['model', 'list', 'x'], 'expected'],
    [['model', 'push', 'x', '--colour', 'red'], '--colour'],
    [['model', 'archive', 'a', 'b'], 'reason'],
    [['model', 'list', '--coordinator', 'ftp://x'], 'coordinator'],
    [['rollout', 'create', '--soak', 'long'], 'duration'],
  ])('[OPS11] of wrong usage says what was expected: %j', (argv, words) => {
    expect(parseCommandLine(commands, argv, {})).toMatchObject({
      error: { code: 'invalid_config', message: expect.stringContaining(words) },
    });
  });

  it('[OPS11] takes its address from the environment, and a flag before that', () => {
    const environment = { SKERRY_COORDINATOR: 'https://one:1', SKERRY_CA: 'ca.pem' };
    expect(parseCommandLine(commands, ['fleet'], environment)).toMatchObject({
      value: { common: { coordinator: 'https://one:1', ca: 'ca.pem' } },
    });
    const flag = ['fleet', '--coordinator', 'https://two:2'];
    expect(parseCommandLine(commands, flag, environment)).toMatchObject({
      value: { common: { coordinator: 'https://two:2' } },
    });
  });

  it.each(['', '9%,5%', '0', '101%', 'x', '10%,20', '20,20', '50,5'])(
    '[OPS11] has no waves of %j',
    async (waves) => {
      const { run } = await world();
      const flags = ['--model', 'digits', '--version', '1.1.0', `--waves=${waves}`];
      expect(await run('rollout', 'create', ...flags)).toMatchObject({
        error: { code: 'invalid_argument', message: expect.stringContaining('--waves') },
      });
    },
  );

  it('[OPS12] says what to do where the token is wrong, nobody answers, or the token could be read', async () => {
    const stranger = await world({ token: 'another-token-of-thirty-two-characters' });
    expect(await stranger.run('model', 'list')).toMatchObject({
      error: { code: 'unauthenticated', message: expect.stringContaining('SKERRY_OPERATOR_TOKEN') },
    });
    const away = await world({
      before() {
        throw Object.assign(new TypeError('fetch failed'), { cause: new Error('ECONNREFUSED') });
      },
    });
    expect(await away.run('model', 'list')).toMatchObject({
      error: { message: expect.stringMatching(/ECONNREFUSED\n.*--coordinator/) },
    });
    const { run, asked } = await world();
    expect(await run('fleet', '--coordinator', 'http://cloud.example:8080')).toMatchObject({
      error: { message: expect.stringContaining('https://') },
    });
    expect(asked).toEqual([]);
  });
});
