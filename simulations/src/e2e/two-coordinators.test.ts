// Two coordinators as processes, on one SQLite file, behind one Mosquitto that spreads what a device sends over both. One
// is killed with -9 while questions are under way: the other goes on, and answers what the dead one has taken.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureCatalogue } from '@skerry/shared';
import { expect, it, onTestFinished, vi } from 'vitest';
import { followAnswers, inferDigit, Refusal } from '../fleet/agent-client.ts';
import { questionsAtAgent, questionsAtCoordinator } from '../fleet/databases.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { readMetrics } from '../fleet/read-metrics.ts';
import { freePort, hasMosquitto, startMosquitto } from '../net/mosquitto.ts';

const questionsEach = 32;
const soon = { timeout: 40_000, interval: 20 };
const askedAtOnce = 8;
/** Short enough that answers come late while the dead one's questions wait. */
const deadlineMs = 150;
/**
 * On a machine under load the device itself may not have computed by then: it refuses, and nothing has been asked. The
 * cloud's silence never ends so (the answer is `pending`), so such a question is put again.
 */
const deviceWasLate = (thrown: unknown): boolean =>
  thrown instanceof Refusal && thrown.status === failureCatalogue.deadline_exceeded.httpStatus;
const triesMax = 50;

it.skipIf(!hasMosquitto())(
  '[REP7] two coordinators on one database: each question has one effect, though one of them is killed',
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skerry-two-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const port = await freePort();
    const config = join(folder, 'mosquitto.conf');
    await writeFile(config, `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
    const mosquitto = await startMosquitto(config, port);
    onTestFinished(() => mosquitto.kill());
    const broker = `mqtt://127.0.0.1:${port}`;
    const coordinators: SkerryProcess[] = [];
    for (const instance of [0, 1]) {
      const started = await startProcess('coordinator', `coordinator-${instance}`, {
        'data-dir': join(folder, 'coordinator'),
        'http-port': 0,
        'next-exchange-ms': 1_000,
        instance,
        broker,
        // The one that dies thinks so long that it dies with questions that it has taken.
        'batch-delay-ms': instance === 0 ? 400 : 2,
      });
      onTestFinished(() => started.stop());
      coordinators.push(started);
    }
    const agent = await startProcess('agent', 'agent', {
      'data-dir': join(folder, 'agent'),
      'http-port': 0,
      broker,
    });
    onTestFinished(() => agent.stop());
    const streamed: string[] = [];
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    void followAnswers(
      () => agent.httpUrl,
      ({ id }) => streamed.push(id),
      abort.signal,
    );

    let asked = 0;
    const inTime: string[] = [];
    const askOne = async (): Promise<void> => {
      const id = `q${asked++}`;
      const parameters = { skerry_policy: 'cloud-only', skerry_deadline_ms: deadlineMs };
      for (let tries = 1; ; tries++)
        try {
          const { pending } = await inferDigit(agent.httpUrl, id, new Uint8Array(784), parameters);
          if (!pending) inTime.push(id);
          return;
        } catch (thrown) {
          if (!deviceWasLate(thrown) || tries === triesMax) throw thrown;
        }
    };
    const ask = async (): Promise<void> => {
      for (let i = 0; i < questionsEach; i += askedAtOnce)
        await Promise.all(Array.from({ length: askedAtOnce }, askOne));
    };
    const settled = () =>
      vi.waitFor(async () => {
        const device = await questionsAtAgent(join(folder, 'agent'));
        const cloud = await questionsAtCoordinator(join(folder, 'coordinator'));
        expect({ ...device, ...cloud }).toEqual({
          taken: asked,
          answered: asked,
          accepted: asked,
          open: 0,
        });
      }, soon);

    await ask();
    await settled();
    for (const { httpUrl } of coordinators)
      expect((await readMetrics(httpUrl))('skerry_exchanges_total')).toBeGreaterThan(0);

    const asking = ask();
    await vi.waitFor(async () => {
      const { open } = await questionsAtCoordinator(join(folder, 'coordinator'));
      expect(open).toBeGreaterThan(0);
    }, soon);
    await coordinators[0]?.kill();
    await asking;
    await settled();
    await vi.waitFor(() => expect(inTime.length + streamed.length).toBe(asked), soon);
    expect(new Set([...inTime, ...streamed]).size).toBe(asked);
  },
);
