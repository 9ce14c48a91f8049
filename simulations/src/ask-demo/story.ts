// A device with its library behind a link that is cut, a coordinator, and a depot: another agent, whose library has the
// same manuals and a larger embedder, and which the coordinator asks as it would ask any server of texts.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';
import type { Manual } from './manuals.ts';

export interface AskingOptions {
  readonly folder: string;
  readonly manuals: readonly Manual[];
  /** Folders. */
  readonly embedders: { readonly device: string; readonly depot: string };
  readonly questions: readonly string[];
  /** Asked one after the other in a conversation that has a name. */
  readonly conversation: readonly string[];
  readonly signal: AbortSignal;
  onProgress(text: string): void;
  onAnswer(answer: AskedAnswer): void;
}

export interface AskedAnswer {
  readonly question: string;
  /** Absent: it did not know. */
  readonly text?: string;
  readonly confidence: number;
  readonly citations: readonly z.infer<typeof citationSchema>[];
  readonly latencyMs: number;
  /** By this id a better answer comes. */
  readonly pending?: string;
  /** What was searched, where it goes on from another question. */
  readonly understoodAs?: string;
}

export interface LateAnswer {
  readonly question: string;
  readonly text?: string;
  readonly verified: boolean;
  readonly citations: readonly z.infer<typeof citationSchema>[];
}

export interface Asking {
  readonly answers: readonly AskedAnswer[];
  readonly talk: readonly AskedAnswer[];
  readonly late: readonly LateAnswer[];
  close(): Promise<void>;
}

const citationSchema = z.object({
  uri: z.string(),
  title: z.string(),
  heading: z.string(),
  verified: z.boolean(),
});

const completionSchema = z.object({
  choices: z.tuple([
    z.object({ message: z.object({ content: z.string(), citations: z.array(citationSchema) }) }),
  ]),
  library: z.object({
    confidence: z.number(),
    threshold: z.number(),
    pending: z.string().optional(),
    asked: z.string().optional(),
  }),
});

const lateSchema = z.object({
  delivery: z.enum(['open', 'late']),
  question: z.string(),
  answer: z
    .object({
      text: z.string(),
      citations: z.array(citationSchema),
      unverified: z.array(z.string()),
    })
    .optional(),
});

const collection = 'manuals';
const depotModel = 'depot';
const lateTimeoutMs = 120_000;

export async function playAsking(options: AskingOptions): Promise<Asking> {
  const { folder, manuals, embedders, questions, signal, onProgress } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const depot = await startProcess('agent', 'depot', {
      device: 'depot',
      'http-port': 0,
      'data-dir': join(folder, 'depot'),
      broker: 'mqtt://127.0.0.1:1',
      embedder: embedders.depot,
    });
    closers.push(() => depot.stop());
    const upstream = {
      name: 'depot',
      kind: 'openai',
      url: depot.httpUrl,
      models: { [depotModel]: `library/${collection}` },
    };
    const coordinator = await startProcess('coordinator', 'coordinator', {
      'http-port': 0,
      'mqtt-port': 0,
      'data-dir': join(folder, 'coordinator'),
      'next-exchange-ms': 1000,
      upstreams: JSON.stringify([upstream]),
    });
    closers.push(() => coordinator.stop());
    const mqtt = new URL(coordinator.mqttUrl ?? '');
    const link = await createTcpProxy({ host: mqtt.hostname, port: Number(mqtt.port) });
    closers.push(link.close);
    const device = await startProcess('agent', 'device-1', {
      'http-port': 0,
      'data-dir': join(folder, 'device-1'),
      broker: `mqtt://127.0.0.1:${link.port}`,
      embedder: embedders.device,
      'library-answer-model': depotModel,
    });
    closers.push(() => device.stop());

    await takeIn(device, manuals, 'the device', options);
    await takeIn(depot, manuals, 'the depot', options);
    link.set('cut');
    onProgress(
      '\nThe link is cut. The technician asks the device; ✓: the words stand there, looked up again.\n',
    );
    const answers: AskedAnswer[] = [];
    for (const question of questions) {
      signal.throwIfAborted();
      const answer = await ask(device, question);
      answers.push(answer);
      options.onAnswer(answer);
    }
    onProgress('In a conversation a question need not say everything:\n');
    const talk: AskedAnswer[] = [];
    for (const question of options.conversation) {
      signal.throwIfAborted();
      const answer = await ask(device, question, 'shift-1');
      talk.push(answer);
      options.onAnswer(answer);
    }
    link.set('pass');
    onProgress(
      '\nThe link is there again. What the device was not sure of it has asked the depot, which has read the same manuals with a larger\nembedder. Each quote of its answers is looked up in the device’s own copy:\n',
    );
    const late: LateAnswer[] = [];
    for (const { pending } of answers)
      if (pending !== undefined) late.push(await lateAnswer(device, pending, signal));
    return { answers, talk, late, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function takeIn(
  agent: SkerryProcess,
  manuals: readonly Manual[],
  who: string,
  { onProgress, signal }: AskingOptions,
): Promise<void> {
  const startedMs = performance.now();
  let passages = 0;
  for (const [i, { uri, html }] of manuals.entries()) {
    signal.throwIfAborted();
    const at = `${agent.httpUrl}/v1/collections/${collection}/documents?uri=${encodeURIComponent(uri)}`;
    const response = await fetch(at, {
      method: 'PUT',
      headers: { 'content-type': 'text/html' },
      body: new Uint8Array(html),
    });
    if (!response.ok) throw new Error(`${uri}: ${await response.text()}`);
    const taken = z.object({ passages: z.number() }).parse(await response.json());
    passages += taken.passages;
    if ((i + 1) % 20 === 0) onProgress(`  ${who}: ${i + 1} of ${manuals.length} documents`);
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  onProgress(
    `${who} has read ${manuals.length} documents, ${passages} passages, ${(passages / seconds).toFixed(0)} a second`,
  );
}

async function ask(
  agent: SkerryProcess,
  question: string,
  conversation?: string,
): Promise<AskedAnswer> {
  const startedMs = performance.now();
  const response = await fetch(`${agent.httpUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: `library/${collection}`,
      messages: [{ role: 'user', content: question }],
      ...(conversation === undefined ? {} : { metadata: { conversation } }),
    }),
  });
  if (!response.ok) throw new Error(`${question}: ${await response.text()}`);
  const { choices, library } = completionSchema.parse(await response.json());
  const [{ message }] = choices;
  return {
    question,
    ...(message.citations.length === 0 ? {} : { text: message.content }),
    confidence: library.confidence,
    citations: message.citations,
    latencyMs: performance.now() - startedMs,
    ...(library.pending === undefined ? {} : { pending: library.pending }),
    ...(library.asked === undefined ? {} : { understoodAs: library.asked }),
  };
}

async function lateAnswer(
  agent: SkerryProcess,
  id: string,
  signal: AbortSignal,
): Promise<LateAnswer> {
  const untilMs = Date.now() + lateTimeoutMs;
  for (;;) {
    const response = await fetch(`${agent.httpUrl}/v1/answers/${id}`, { signal });
    const { delivery, question, answer } = lateSchema.parse(await response.json());
    if (delivery === 'late' || Date.now() > untilMs) {
      // What the depot does not know it says so, and cites nothing.
      if (answer === undefined || answer.citations.length === 0)
        return { question, verified: false, citations: [] };
      const verified = answer.citations.every((citation) => citation.verified);
      return { question, text: answer.text, verified, citations: answer.citations };
    }
    await sleep(200, undefined, { signal });
  }
}
