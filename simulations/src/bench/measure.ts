// Runs a measurement in a fresh process, so that none inherits another's heap, caches or compiled code.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { MeasurementName, Measurements } from './registry.ts';

const child = fileURLToPath(new URL('./child.js', import.meta.url));
/** A fleet of 20 000 takes a sixth of it to connect and to be watched; Cranfield ranked again by gte-small half of it. */
const timeoutMs = 600_000;

export async function measure<N extends MeasurementName>(
  name: N,
  options: Parameters<Measurements[N]>[0],
  signal: AbortSignal,
): Promise<Awaited<ReturnType<Measurements[N]>>> {
  const running = spawn(process.execPath, [child, name, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    timeout: timeoutMs,
  });
  const [output, [code]] = await Promise.all([text(running.stdout), once(running, 'exit')]);
  if (running.killed) throw new Error(`${name} took more than ${timeoutMs / 1_000} s`);
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return JSON.parse(output);
}
