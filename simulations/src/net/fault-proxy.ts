// A link that misbehaves as real ones do, for a kernel that has no netem: a TCP proxy on a loopback port with one fault at
// a time. What is random comes from a seed.

import type { Socket } from 'node:net';
import type { Random } from '@skerry/shared';
import { openLoopback } from './loopback.ts';

export const faults = {
  none: 'healthy',
  'black-hole': 'black-holed: every byte is taken, none comes back',
  refusals: 'bursts of refusals (503, or a reset before a word)',
  'slow-drip': 'slow-dripping: 400 bytes a second',
  'half-open': 'half-open: what is sent arrives, nothing comes back',
  flapping: 'flapping: up and gone again, within a second each',
} as const;
export type Fault = keyof typeof faults;

export interface FaultProxy {
  readonly port: number;
  set(fault: Fault): void;
  close(): Promise<void>;
}

export interface FaultProxyTarget {
  readonly host: string;
  readonly port: number;
  /** How a refusal is put: in HTTP, or without a word. */
  readonly refuses: '503' | 'reset';
}

const dripBytes = 40;
const dripEveryMs = 100;
/** Shortest and longest, by chance, of being there and of being away. */
const spellsMs = {
  refusals: { there: [200, 800], away: [1_500, 3_000] },
  flapping: { there: [50, 500], away: [50, 500] },
} as const;
const refusal503 =
  'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

export async function createFaultProxy(
  target: FaultProxyTarget,
  random: Random,
): Promise<FaultProxy> {
  let fault: Fault = 'none';
  /** Within a spell of being away. */
  let away = false;
  let spell: NodeJS.Timeout | undefined;

  const turn = (): void => {
    if (fault !== 'refusals' && fault !== 'flapping') return;
    away = !away;
    if (away) loopback.endAll('resetAndDestroy');
    const [shortest, longest] = spellsMs[fault][away ? 'away' : 'there'];
    spell = setTimeout(turn, shortest + random.below(longest - shortest));
  };
  const carry = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
    from.on('data', (chunk) => {
      if (fault === 'black-hole' || (fault === 'half-open' && direction === 'down')) return;
      if (fault === 'slow-drip') drip(from, to, chunk);
      else if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('close', () => to.destroy());
  };

  const loopback = await openLoopback(target, (client, dial) => {
    if (away) return refuse(client, fault === 'refusals' ? target.refuses : 'reset');
    const upstream = dial();
    carry(client, upstream, 'up');
    carry(upstream, client, 'down');
  });

  return {
    port: loopback.port,
    set(next) {
      clearTimeout(spell);
      fault = next;
      away = false;
      turn();
    },
    close() {
      clearTimeout(spell);
      fault = 'none';
      return loopback.close();
    },
  };
}

function refuse(client: Socket, how: FaultProxyTarget['refuses']): void {
  if (how === 'reset') client.resetAndDestroy();
  else client.once('data', () => client.end(refusal503));
}

/** A piece at a time, and nothing more is read meanwhile. */
function drip(from: Socket, to: Socket, chunk: Buffer): void {
  from.pause();
  let at = 0;
  const timer = setInterval(() => {
    if (!to.destroyed) to.write(chunk.subarray(at, at + dripBytes));
    at += dripBytes;
    if (at < chunk.length && !to.destroyed) return;
    clearInterval(timer);
    from.resume();
  }, dripEveryMs);
}
