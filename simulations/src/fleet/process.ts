// A Skerry process of its own: started from dist, ready when it logs that it listens, and surely ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface SkerryProcess {
  readonly name: string;
  readonly httpUrl: string;
  /** Set for a coordinator with its own broker. */
  readonly mqttUrl?: string;
  /** Set for an agent that is its site's relay. */
  readonly relayUrl?: string;
  /** Set for a process that serves gRPC. */
  readonly grpcPort?: number;
  /** SIGTERM, and SIGKILL after a while. */
  stop(): Promise<void>;
  /** SIGKILL, now. */
  kill(): Promise<void>;
  exited(): boolean;
  /** What it has said last. */
  lastWords(): string;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 6_000;
const keptLinesMax = 50;
const running = new Set<ChildProcess>();

// Whatever ends this process, nothing that it started outlives it.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** What is run is what is shipped: dist, also when this file runs as source under a test. */
const mains = {
  coordinator: new URL('../../../cloud-coordinator/dist/main.js', import.meta.url).pathname,
  agent: new URL('../../../edge-agent/dist/main.js', import.meta.url).pathname,
} as const;

export async function startProcess(
  kind: keyof typeof mains,
  name: string,
  flags: Readonly<Record<string, string | number>>,
  nodeFlags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<SkerryProcess> {
  const argv = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const child = spawn(process.execPath, [...nodeFlags, mains[kind], ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const kept: string[] = [];
  const { httpUrl, mqttUrl, relayUrl, grpcPort } = await listening(child, name, kept);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!running.has(child)) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await gone;
    clearTimeout(timer);
  };
  return {
    name,
    httpUrl,
    ...(mqttUrl === undefined ? {} : { mqttUrl }),
    ...(relayUrl === undefined ? {} : { relayUrl }),
    ...(grpcPort === undefined ? {} : { grpcPort }),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    exited: () => !running.has(child),
    lastWords: () => kept.join('\n'),
  };
}

interface Listening {
  readonly httpUrl: string;
  readonly mqttUrl?: string;
  readonly relayUrl?: string;
  readonly grpcPort?: number;
}

function listening(child: ChildProcess, name: string, kept: string[]): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail('did not listen in time'), startTimeoutMs);
    const fail = (why: string): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`${name} ${why}\n${kept.join('\n')}`));
    };
    child.once('exit', (code) => fail(`ended with ${code} before it listened`));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (kept.push(line) > keptLinesMax) kept.shift();
        const found = parse(line);
        if (found === undefined) return;
        clearTimeout(timer);
        child.removeAllListeners('exit');
        child.once('exit', () => running.delete(child));
        resolve(found);
      });
    }
  });
}

function parse(line: string): Listening | undefined {
  if (!line.includes('"listening"')) return undefined;
  try {
    const entry = JSON.parse(line);
    return entry.msg === 'listening' ? entry : undefined;
  } catch {
    return undefined;
  }
}
