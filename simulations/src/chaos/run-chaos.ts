// Real processes under a link that is cut every 120 ms, with the broker and the agent killed twice each while an app
// asks: what the agent has taken is answered, each question once.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '@skerry/edge-agent';
import { followAnswers, inferDigit } from '../fleet/agent-client.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { freePort, type Mosquitto, startMosquitto } from '../net/mosquitto.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

export interface ChaosOptions {
  readonly broker: 'aedes' | 'mosquitto';
  readonly ops: number;
}

export interface ChaosResult {
  /** Escalations that the agent has made durable, and their answers that it has applied. */
  readonly taken: number;
  readonly answered: number;
  /** Answers that came on the stream twice. */
  readonly repeated: number;
  readonly cuts: number;
  readonly seconds: number;
}

const cutEveryMs = 120;
const askedAtOnce = 8;
const settleTimeoutMs = 120_000;
const lockedTriesMax = 50;
const lockedWaitMs = 100;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const portOf = (url: string | undefined) => Number(new URL(url ?? '').port);

export async function runChaos({ broker, ops }: ChaosOptions): Promise<ChaosResult> {
  const startedMs = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'skerry-chaos-'));
  const abort = new AbortController();
  const closing: (() => unknown)[] = [() => rm(folder, { recursive: true }), () => abort.abort()];
  try {
    const brokerPort = await freePort();
    const external = broker === 'mosquitto';
    const config = join(folder, 'mosquitto.conf');
    await writeFile(config, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\n`);
    let mosquitto: Mosquitto | undefined;
    let coordinator: SkerryProcess | undefined;
    let agent: SkerryProcess | undefined;
    closing.push(
      () => mosquitto?.kill(),
      () => coordinator?.stop(),
      () => agent?.stop(),
    );
    const startCoordinator = async () => {
      coordinator = await startProcess('coordinator', 'coordinator', {
        'data-dir': join(folder, 'coordinator'),
        'http-port': 0,
        'next-exchange-ms': 1_000,
        ...(external ? { broker: `mqtt://127.0.0.1:${brokerPort}` } : { 'mqtt-port': brokerPort }),
      });
    };
    /** The broker loses what it holds; aedes lives in the coordinator, which dies with it. */
    const startBroker = async () => {
      await mosquitto?.kill();
      if (external) mosquitto = await startMosquitto(config, brokerPort);
      if (external && coordinator !== undefined) return;
      await coordinator?.kill();
      await startCoordinator();
    };
    await startBroker();
    const proxy = await createTcpProxy({ host: '127.0.0.1', port: brokerPort });
    closing.push(() => proxy.close());
    const startAgent = async () => {
      const before = agent;
      await before?.kill();
      agent = await startProcess('agent', 'agent', {
        'data-dir': join(folder, 'agent'),
        broker: `mqtt://127.0.0.1:${proxy.port}`,
        'http-port': before === undefined ? 0 : portOf(before.httpUrl),
      });
    };
    await startAgent();
    let cuts = 0;
    const cutter = setInterval(() => {
      cuts += 1;
      proxy.reset();
    }, cutEveryMs);
    closing.push(() => clearInterval(cutter));

    const url = () => agent?.httpUrl ?? '';
    const streamed: string[] = [];
    void followAnswers(url, ({ id }) => streamed.push(id), abort.signal);
    const asked = { skerry_policy: 'cloud-only', skerry_deadline_ms: 1 };
    const kills = [startBroker, startAgent, startBroker, startAgent];
    for (let from = 0; from < ops; from += askedAtOnce) {
      const due = Math.floor((from * (kills.length + 1)) / ops) > 4 - kills.length;
      const ids = Array.from(
        { length: Math.min(askedAtOnce, ops - from) },
        (_, i) => `q${from + i}`,
      );
      const waiting = ids.map((id) => inferDigit(url(), id, new Uint8Array(784), asked));
      const all = Promise.allSettled(waiting);
      if (due && kills.length > 0) await kills.shift()?.();
      const failed = ids.map(async (id, i) => {
        const outcome = (await all)[i];
        // Whoever got no answer asks its agent's store whether the question was taken, and asks again if not.
        while (outcome?.status === 'rejected' && !(await isTaken(folder, id)))
          await inferDigit(url(), id, new Uint8Array(784), asked).catch(() => sleep(50));
      });
      await Promise.all(failed);
    }
    const deadlineMs = performance.now() + settleTimeoutMs;
    let counts = await countOf(folder);
    while (counts.answered < counts.taken && performance.now() < deadlineMs) {
      await sleep(200);
      counts = await countOf(folder);
    }
    await sleep(1_000); // For what should not come.
    const repeated = streamed.length - new Set(streamed).size;
    const seconds = (performance.now() - startedMs) / 1_000;
    return { ...(await countOf(folder)), repeated, cuts, seconds };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Retries while the agent that starts again recovers its file, which locks it. */
async function query<T>(folder: string, sql: string, ...values: string[]): Promise<T> {
  for (let left = lockedTriesMax; ; left--) {
    const database = openDatabase(join(folder, 'agent', 'agent.db'));
    if (database.ok)
      try {
        return database.value.prepare(sql).get(...values) as T;
      } finally {
        database.value.close();
      }
    if (left === 0) throw new Error(database.error.message);
    await sleep(lockedWaitMs);
  }
}

const isTaken = async (folder: string, id: string): Promise<boolean> => {
  const sql = 'SELECT count(*) AS n FROM escalations WHERE client_id = ?';
  return (await query<{ n: number }>(folder, sql, id)).n > 0;
};

const countOf = (folder: string): Promise<{ taken: number; answered: number }> =>
  query(folder, 'SELECT count(*) AS taken, count(answer) AS answered FROM escalations');
