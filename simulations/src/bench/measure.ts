// Runs a measurement in a fresh process, so that none inherits another's heap, caches or compiled code.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { MeasurementName, Measurements } from './registry.ts';

const child = fileURLToPath(new URL('./child.js', import.meta.url));
/** Cranfield ranked again by gte-small takes half of it, on one core. */
const timeoutMs = 1_200_000;

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
