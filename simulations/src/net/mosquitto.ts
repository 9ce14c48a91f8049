// A Mosquitto of our own, where the machine has one (Debian's package), on a free port of the loopback.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export interface Mosquitto {
  readonly port: number;
  /** SIGKILL: whatever it held in memory is gone. */
  kill(): Promise<void>;
}

const startTimeoutMs = 10_000;
const pollMs = 20;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Debian's package puts it in sbin, which is not on everybody's path. */
const path = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

export const hasMosquitto = (): boolean =>
  spawnSync('mosquitto', ['-h'], { env: path }).error === undefined;

/** Starts it on a configuration that listens on `port`, and waits until it does. */
export async function startMosquitto(configFile: string, port: number): Promise<Mosquitto> {
  const child = spawn('mosquitto', ['-c', configFile], { env: path, stdio: 'ignore' });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const deadlineMs = performance.now() + startTimeoutMs;
  while (!(await listens(port))) {
    if (!running.has(child) || performance.now() > deadlineMs)
      throw new Error(`mosquitto does not listen on ${port} by ${configFile}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return {
    port,
    async kill() {
      if (!running.has(child)) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', end(true)).on('error', end(false));
  });
}
