// The routes, and `skerry learn`, over a real run of devices that are played, in one process.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Result, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { planVersionsKnown } from '@skerry/sync-protocol/learn';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { mayDo } from '../fleet/operators.ts';
import { openRuns } from '../learn/runs/runs.ts';
import type { Answer } from '../skerry/command.ts';
import { commands } from '../skerry/commands.ts';
import { createCoordinatorClient } from '../skerry/coordinator-client.ts';
import { parseCommandLine } from '../skerry/parse-command-line.ts';
import { type LearnResult, learnModel } from '../testing/learn-devices.ts';
import { createLearnFleet } from '../testing/learn-fleet.ts';
import { turnRuns } from '../testing/run-turns.ts';
import { learnRoutes } from './learn.ts';
import { contributionsSchema, runListSchema, runViewSchema } from './learn-views.ts';

const plan = {
  id: 'run-1',
  model: learnModel,
  base: '1.0.0',
  network: 'point',
  rounds: 2,
  clients: { target: 4, min: 2, overSelect: 1 },
  evaluate: { clients: 4 },
};

async function world(answer?: (device: string) => LearnResult) {
  const plans = [...planVersionsKnown];
  const fleet = createLearnFleet({
    devices: 4,
    ...(answer && { answer }),
    describe: () => ({
      learn: {
        plans,
        networks: ['point'],
        idle: true,
        examples: [{ model: learnModel, count: 100 }],
      },
    }),
  });
  const runs = unwrap(await openRuns(fleet.ports));
  const routes = learnRoutes({ learning: runs, clock: fleet.clock, log: silentLog }, 1);
  const app = new Hono().route('/v1', routes);
  const call = async (method: string, path: string, body?: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) };
    const response = await app.request(`/v1${path}`, { method, ...sent });
    return { status: response.status, body: await response.json() };
  };
  const skerry = async (...argv: string[]): Promise<Result<Answer>> => {
    const line = unwrap(parseCommandLine(commands, argv, {}));
    const address = { url: line.common.coordinator, token: undefined };
    const ask = async (url: string | URL, init?: RequestInit) => app.request(url, init);
    return line.command.run({
      client: createCoordinatorClient(address, { fetch: ask, clock: systemClock }),
      operands: line.operands,
      flags: line.flags,
      json: false,
      user: 'ada',
      clock: systemClock,
      fetch,
      errorIsTerminal: false,
      terminal: undefined,
      print() {},
      printError() {},
      signal: new AbortController().signal,
    });
  };
  const folder = mkdtempSync(join(tmpdir(), 'skerry-learn-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const planFile = (value: unknown): string => {
    const path = join(folder, 'plan.json');
    writeFileSync(path, JSON.stringify(value));
    return path;
  };
  return { fleet, runs, app, call, skerry, planFile };
}

describe('learning over HTTP', () => {
  it('[RND17] begins a run, shows its rounds and whose updates are in them, and stops it', async () => {
    const { fleet, runs, call } = await world();
    const started = await call('POST', '/learn?by=ada', plan);
    expect(started.status).toBe(201);
    expect(runViewSchema.parse(started.body)).toMatchObject({ by: 'ada', round: 0, rounds: 2 });
    expect(await call('POST', '/learn', plan)).toMatchObject({ status: 400 });
    expect(await call('POST', '/learn', { ...plan, rounds: 0 })).toMatchObject({ status: 400 });
    expect(await call('GET', '/learn/none')).toMatchObject({ status: 404 });
    await turnRuns(fleet, runs);
    const view = runViewSchema.parse((await call('GET', '/learn/run-1')).body);
    expect(view).toMatchObject({ round: 2, phase: { kind: 'completed' } });
    expect(view.latest.map(({ used, federated }) => [used, federated?.clients])).toEqual([
      [4, 4],
      [4, 4],
    ]);
    expect(runListSchema.parse((await call('GET', '/learn')).body).runs).toHaveLength(1);
    expect((await call('GET', '/learn/run-1/rounds?after=1')).body).toMatchObject({
      rounds: [{ round: 2 }],
    });
    const updates = contributionsSchema.parse(
      (await call('GET', '/learn/run-1/rounds/2/updates')).body,
    );
    expect(updates.contributions.map(({ device }) => device)).toEqual(fleet.names);
    expect(await call('POST', '/learn/run-1/stop', { reason: 'late' })).toMatchObject({
      status: 400,
    });
    await call('POST', '/learn', { ...plan, id: 'run-2' });
    const stopped = await call('POST', '/learn/run-2/stop', { by: 'eva', reason: 'not now' });
    expect(stopped.body).toMatchObject({ phase: { kind: 'stopped', by: 'eva' } });
  });

  it('[RND17] lets so many watch and no more', async () => {
    const { app, call } = await world();
    await call('POST', '/learn', plan);
    const first = await app.request('/v1/learn/run-1/events');
    const { value } = (await first.body?.getReader().read()) ?? {};
    expect(new TextDecoder().decode(value)).toMatch(/^event: run\ndata: \{"id":"run-1"/);
    expect((await app.request('/v1/learn/run-1/events')).status).toBe(503);
  });

  it('[RND17] is a publisher’s: who releases may stop it, who looks may do neither', () => {
    const stop = '/v1/learn/run-1/stop';
    expect(
      ['viewer', 'publisher', 'releaser', 'admin'].map((role) => [
        mayDo(role as 'viewer', 'POST', '/v1/learn'),
        mayDo(role as 'viewer', 'POST', stop),
        mayDo(role as 'viewer', 'GET', '/v1/learn/run-1'),
      ]),
    ).toEqual([
      [false, false, true],
      [true, true, true],
      [false, true, true],
      [true, true, true],
    ]);
  });
});

describe('skerry learn query', () => {
  it('[QRY1] asks, and draws what enough devices hold', async () => {
    const { fleet, runs, skerry } = await world((device) => ({
      type: 'queried',
      examples: 13,
      values: {
        'cell-0': 3,
        'cell-1': 8 + (device === 'device-1' ? 0 : 2),
        'cell-2': device === 'device-1' ? 2 : 0,
      },
    }));
    const flags = ['--devices-min', '3', '--devices', '4', '--id', 'ask-1'];
    const dry = unwrap(await skerry('learn', 'query', 'digits', '1.0.0', ...flags, '--dry-run'));
    expect(dry.value).toMatchObject({ query: { question: { kind: 'labels' } }, rounds: 1 });
    const asked = await skerry('learn', 'query', 'digits', '1.0.0', ...flags, '--background');
    expect(unwrap(asked).text).toMatch(/ask-1: digits from 1\.0\.0, query, of labels/);
    await turnRuns(fleet, runs);
    const shown = unwrap(await skerry('learn', 'show', 'ask-1'));
    expect(runViewSchema.parse(shown.value).answer).toMatchObject({ withheld: ['a', 'c'] });
    expect(shown.text).toMatch(/^b +38 +█{24}$/m);
    expect(shown.text).toMatch(/^\(2 withheld\) +14$/m);
    expect(shown.text).toMatch(/withheld, for fewer than 3 devices have any: a, c/);
    expect(await skerry('learn', 'query', 'digits', '1.0.0', '--devices-min', '2')).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('[QRY3] takes bins from flags, and refuses those that are none', async () => {
    const { skerry } = await world();
    const flags = ['--of', 'mean', '--bins', '4', '--range', '0,1', '--per', 'site', '--dry-run'];
    expect(unwrap(await skerry('learn', 'query', 'digits', '1.0.0', ...flags)).value).toMatchObject(
      {
        query: {
          question: { kind: 'inputs', measure: 'mean', from: 0, to: 1, bins: 4 },
          cohort: 'site',
        },
      },
    );
    const noised = ['--noise', '1', '--examples', '50', '--epsilon', '4', '--dry-run'];
    expect(
      unwrap(await skerry('learn', 'query', 'digits', '1.0.0', ...noised)).value,
    ).toMatchObject({
      masking: { thresholdMin: 3 },
      privacy: {
        distributed: { noiseMultiplier: 1, clip: 50 },
        budget: { epsilonMax: 4, delta: 1e-5 },
      },
    });
    const wrong = ['--of', 'mean', '--range', '5'];
    expect(await skerry('learn', 'query', 'digits', '1.0.0', ...wrong)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });
});

describe('skerry learn', () => {
  it('[RND17] starts, shows, explains, lists and stops', async () => {
    const { fleet, runs, skerry, planFile } = await world();
    const path = planFile(plan);
    const dry = unwrap(await skerry('learn', 'start', path, '--dry-run'));
    expect(dry.value).toMatchObject({ strategy: { name: 'fedavg' }, attemptsMax: 3 });
    expect(runs.list()).toEqual([]);
    expect(await skerry('learn', 'start', planFile({ ...plan, rounds: 'many' }))).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    const started = unwrap(await skerry('learn', 'start', planFile(plan)));
    expect(started.text).toMatch(
      /run-1: digits from 1\.0\.0, fedavg, network point, 8 numbers\n·{30} 0 of 2 rounds, selecting/,
    );
    expect(unwrap(await skerry('learn', 'why', 'run-1')).text).toMatch(
      /round 1 of 2: waits for devices to train: 4 may be asked/,
    );
    await turnRuns(fleet, runs);
    expect(unwrap(await skerry('learn', 'show', 'run-1')).text).toMatch(/█{30} 2 of 2 rounds/);
    expect(unwrap(await skerry('learn', 'watch', 'run-1'))).toMatchObject({ isBad: false });
    expect(unwrap(await skerry('learn', 'rounds', 'run-1')).text.split('\n')).toHaveLength(3);
    expect(unwrap(await skerry('learn', 'plot', 'run-1')).text).toMatch(/run-1: loss by round/);
    const svg = planFile('').replace('plan.json', 'run.svg');
    unwrap(await skerry('learn', 'plot', 'run-1', '--svg', svg));
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg/);
    expect(unwrap(await skerry('learn', 'updates', 'run-1', '1')).text).toMatch(/device-4 +used/);
    expect(unwrap(await skerry('learn', 'list')).text).toMatch(/run-1 .*completed +2\/2/);
    expect(await skerry('learn', 'stop', 'run-1')).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });
});
