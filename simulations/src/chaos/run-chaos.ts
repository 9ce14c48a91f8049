// Real processes under a link that is cut every 120 ms, and repeats and reorders messages between two cuts, beside a
// subscriber that never reads, with the broker and the agent killed twice each while an app asks: what the agent has
// taken is answered, each question once.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@skerry/shared';
import { followAnswers, inferDigit } from '../fleet/agent-client.ts';
import {
  type QuestionsAtAgent,
  type QuestionsAtCoordinator,
  questionsAtAgent,
  questionsAtCoordinator,
  readAgent,
} from '../fleet/databases.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { freePort, type Mosquitto, startMosquitto } from '../net/mosquitto.ts';
import { createMqttDisorder, usualDisorder } from '../net/mqtt-disorder.ts';
import { startSlowSubscriber } from '../net/slow-subscriber.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

export interface ChaosOptions {
  readonly broker: 'aedes' | 'mosquitto';
  readonly ops: number;
  readonly seed: number;
}

export interface ChaosResult extends QuestionsAtAgent, QuestionsAtCoordinator {
  /** Answers that came on the stream twice. */
  readonly repeated: number;
  readonly cuts: number;
  /** Messages that the link has repeated and held back. */
  readonly disorder: { readonly repeated: number; readonly delayed: number };
  /** How often the subscriber that never reads was cut off. */
  readonly slowCutOffs: number;
  readonly seconds: number;
}

const cutEveryMs = 120;
const askedAtOnce = 8;
const settleTimeoutMs = 120_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const portOf = (url: string | undefined) => Number(new URL(url ?? '').port);

export async function runChaos({ broker, ops, seed }: ChaosOptions): Promise<ChaosResult> {
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
    const disorder = { repeated: 0, delayed: 0 };
    const proxy = await createTcpProxy(
      { host: '127.0.0.1', port: brokerPort },
      createMqttDisorder(createRandom(seed), usualDisorder, (what) => {
        disorder[what] += 1;
      }),
    );
    closing.push(() => proxy.close());
    const slow = startSlowSubscriber(brokerPort);
    closing.push(slow.close);
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
    const count = async () => ({
      ...(await questionsAtAgent(join(folder, 'agent'))),
      ...(await questionsAtCoordinator(join(folder, 'coordinator'))),
    });
    let counts = await count();
    while (counts.answered < counts.taken && performance.now() < deadlineMs) {
      await sleep(200);
      counts = await count();
    }
    await sleep(1_000); // For what should not come.
    const repeated = streamed.length - new Set(streamed).size;
    const seconds = (performance.now() - startedMs) / 1_000;
    const slowCutOffs = slow.cutOffs();
    return { ...(await count()), repeated, cuts, disorder, slowCutOffs, seconds };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

const isTaken = async (folder: string, id: string): Promise<boolean> => {
  const sql = 'SELECT count(*) AS n FROM escalations WHERE client_id = ?';
  return (await readAgent<{ n: number }>(join(folder, 'agent'), sql, id)).n > 0;
};
