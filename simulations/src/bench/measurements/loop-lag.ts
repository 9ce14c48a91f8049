// How late a timer of one millisecond fires on the loop that serves requests, while a slow model runs: in the agent's
// worker, or, as onnxruntime-node would have it, on the same thread.

import { percentile } from '../../demo/scoreboard.ts';
import { imageBytes, imageTensor } from '../image.ts';
import { expectOk, openInProcessAgent } from '../in-process-agent.ts';
import { median } from '../statistics.ts';
import { readEdgeStage } from '../workload.ts';
import { openRaw } from './infer-raw.ts';

export interface LoopLagOptions {
  readonly folder: string;
  readonly bundle: string;
  readonly where: 'nowhere' | 'worker' | 'same-thread';
  readonly runs: number;
}

export interface LoopLag {
  /** Lateness of the timer. */
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Of one run of the model. */
  readonly runMs: number;
}

const timerMs = 1;
/** A run is a little longer than the agent's default deadline on a busy machine. */
const deadlineMs = 10_000;
/** How long the loop is watched where no model runs. */
const idleMs = 200;

export async function loopLag({ folder, bundle, where, runs }: LoopLagOptions): Promise<LoopLag> {
  const { run, close } = await openModel(folder, bundle, where);
  await run();
  const runsMs: number[] = [];
  const watch = watchLoop();
  for (let i = 0; i < runs; i++) {
    const startedMs = performance.now();
    await run();
    runsMs.push(performance.now() - startedMs);
  }
  const latenessMs = watch.stop();
  await close();
  return {
    p99Ms: percentile(latenessMs, 0.99),
    worstMs: Math.max(...latenessMs),
    runMs: median(runsMs),
  };
}

async function openModel(folder: string, bundle: string, where: LoopLagOptions['where']) {
  const done = async (): Promise<void> => {};
  if (where === 'nowhere')
    return {
      run: () => new Promise<void>((resolve) => setTimeout(resolve, idleMs)),
      close: done,
    };
  if (where === 'same-thread') {
    const run = await openRaw(bundle);
    return { run: () => run(new Uint8Array(imageBytes)), close: done };
  }
  const { manifest } = await readEdgeStage(bundle);
  const { agent, close } = await openInProcessAgent(folder, bundle, 'edge-only');
  return {
    async run() {
      const input = imageTensor(new Uint8Array(imageBytes));
      expectOk(await agent.inference.infer({ model: manifest.name, input, deadlineMs }));
    },
    close,
  };
}

function watchLoop(): { stop(): readonly number[] } {
  const latenessMs: number[] = [];
  let dueMs = performance.now() + timerMs;
  const tick = (): void => {
    const nowMs = performance.now();
    latenessMs.push(nowMs - dueMs);
    dueMs = nowMs + timerMs;
    timer = setTimeout(tick, timerMs);
  };
  let timer = setTimeout(tick, timerMs);
  return {
    stop() {
      clearTimeout(timer);
      return [...latenessMs, Math.max(0, performance.now() - dueMs)];
    },
  };
}
