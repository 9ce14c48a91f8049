// The coordinator's part of a learning run as a process of its own, on a real database and real blobs, which kills itself with
// SIGKILL at one commit of the run's log: when the record is in the transaction and the transaction is not committed, or
// when it is. Whoever started it plays the devices and time, and asks.

import { join } from 'node:path';
import {
  numbersHere,
  openRuns,
  type RunsPorts,
  runPlanSchema,
} from '@skerry/cloud-coordinator/runs';
import {
  createGroupCommit,
  createSqlCoordinatorStore,
  createSqlEventLog,
  createSqlTaskStore,
  openSqlite,
} from '@skerry/cloud-coordinator/sql';
import { bindChance } from '@skerry/cloud-coordinator/testing';
import { assert, messageOf, ok, silentLog } from '@skerry/shared';
import { createSystemRandomBytes, systemClock } from '@skerry/shared/node';
import { blobBoundsDefaults } from '@skerry/sync-protocol/blobs';
import {
  createEd25519Verifier,
  createNodeCryptography,
  openFileBlobReferences,
  openFileBlobStore,
} from '@skerry/sync-protocol/node';
import type { Call, Death, Setup, View } from './coordinator-life.ts';

type Database = Extract<Awaited<ReturnType<typeof openSqlite>>, { ok: true }>['value'];

const die = (): void => void process.kill(process.pid, 'SIGKILL');
let nowMs = 0;
const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: systemClock.after };
let desk: Awaited<ReturnType<typeof open>> | undefined;

process.on('message', (call: Call) => {
  void answer(call).then(
    (value) => process.send?.({ id: call.id, value }),
    (thrown: unknown) => process.send?.({ id: call.id, thrown: messageOf(thrown) }),
  );
});
process.on('disconnect', () => process.exit(0));

async function answer(call: Call): Promise<unknown> {
  nowMs = call.nowMs;
  if (call.of === 'setup') {
    desk = await open(call.setup);
    return undefined;
  }
  assert(desk !== undefined, 'it is set up first');
  if (call.of === 'start') return desk.runs.start(runPlanSchema.parse(call.plan), 'kill-matrix');
  if (call.of === 'turn') return desk.runs.turn();
  if (call.of === 'view') return view(desk, call.run);
  const { method, args } = call;
  const port = desk[call.of] as unknown as Record<string, (...args: unknown[]) => unknown>;
  return port[method]?.(...args);
}

async function open({ folder, death, base, devices, credentials }: Setup) {
  const opened = await openSqlite(join(folder, 'coordinator.sqlite'));
  assert(opened.ok, 'the database opens');
  const db = opened.value;
  const held = await openFileBlobReferences(join(folder, 'blobs', 'references'));
  assert(held.ok, 'the references open');
  const references = held.value;
  const stored = await openFileBlobStore(join(folder, 'blobs'), blobBoundsDefaults, {
    nowMs: clock.nowMs,
    isReferenced: references.has,
    onEvicted() {},
  });
  assert(stored.ok, 'the blobs open');
  const blobs = stored.value;
  const commits = createGroupCommit(db);
  const ops = createSqlCoordinatorStore(db, clock, commits);
  const appends: string[] = [];
  const log = mortalLog(db, appends, death);
  const cryptography = createNodeCryptography();
  const verifier = createEd25519Verifier((client) => credentials[client]);
  const ports: RunsPorts = {
    ...bindChance(log, createSystemRandomBytes()),
    tasks: createSqlTaskStore(commits),
    ops,
    blobs,
    references,
    blobsOf: () => blobs,
    devices: { list: () => devices },
    bases: { open: async () => ok(base), describe: async () => ok({ ...base, labels: [] }) },
    masking: { cryptography, verifier },
    // A thread of its own would take longer to begin than these numbers take.
    numbers: numbersHere(cryptography),
    clock,
    log: silentLog,
  };
  const runs = await openRuns(ports);
  assert(runs.ok, 'the runs open');
  return { runs: runs.value, ops, blobs, appends };
}

/** Commits are counted from the start of this process. */
function mortalLog(db: Database, appends: string[], death: Death | undefined): RunsPorts['store'] {
  const isNow = (when: Death['when']): boolean =>
    death?.when === when && death.at === appends.length;
  const inserts = new WeakSet<object>();
  const watched = db.withPlugin({
    transformQuery({ node, queryId }) {
      if (node.kind === 'InsertQueryNode' && node.into?.table.identifier.name === 'event')
        inserts.add(queryId);
      return node;
    },
    async transformResult({ queryId, result }) {
      if (inserts.has(queryId) && isNow('before')) die();
      return result;
    },
  });
  const log = createSqlEventLog(watched, 'learn');
  return {
    ...log,
    async append(name, length, events) {
      const appended = await log.append(name, length, events);
      if (!appended.ok || !appended.value || events.length === 0) return appended;
      if (isNow('after')) die();
      appends.push(events.map(kindOf).join(' + '));
      return appended;
    },
  };
}

const kindOf = (event: string): string => {
  const { kind, record } = JSON.parse(event) as { kind: string; record?: { stage: string } };
  return record === undefined ? kind : `${kind} (${record.stage})`;
};

async function view(
  { runs, blobs, appends }: Awaited<ReturnType<typeof open>>,
  id: string,
): Promise<View> {
  const state = runs.get(id);
  if (state === undefined) return { appends, committed: 0, noiseKeys: 0 };
  const history = await runs.history(id);
  assert(history.ok, 'the log is there');
  let noiseKeys = 0;
  for (const event of history.value)
    if (event.kind === 'privacy-committed' && event.noiseKey !== undefined) {
      const holding = await blobs.holding(event.noiseKey.digest);
      if (!holding.ok || holding.value.kind !== 'none') noiseKeys += 1;
    }
  const { phase, model } = state;
  return {
    appends,
    phase: phase.kind,
    reason: 'reason' in phase ? phase.reason : undefined,
    parameters: model.parameters,
    committed: state.privacy?.ledger.committed ?? 0,
    noiseKeys,
  };
}
