// How a device catches up after weeks: bytes, messages and seconds, beside Automerge's own sync protocol. And what becomes
// of frames that a link has damaged.

import type { Bench } from './sections.ts';
import { number, renderTable } from './table.ts';

const keys = 200;
/** Where frames are not verified, each that is taken costs so much that one process would not end in its time. */
const flipsEach = 500;
const flipRuns = 3;

export async function documentSection({ measure, effort, onCase }: Bench): Promise<string> {
  const changes = effort.documentChanges;
  const half = changes / 2;
  const cases = [
    ['document-catch-up', changes, 0],
    ['document-catch-up', half, half],
    ['automerge-sync', half, half],
  ] as const;
  const rows: string[][] = [];
  for (const [name, local, remote] of cases) {
    onCase(`${name} ${local} + ${remote}`);
    const { bytes, messages, seconds } = await measure(name, { local, remote, keys });
    rows.push([`${name}, ${local} + ${remote}`, number(bytes), String(messages), number(seconds)]);
  }
  const damaged = { flips: 0, accepted: 0, crashes: 0 };
  for (let seed = 1; seed <= flipRuns; seed++) {
    onCase(`document-flips ${seed} of ${flipRuns}`);
    const { flips, accepted, crashes } = await measure('document-flips', {
      flips: flipsEach,
      seed,
    });
    damaged.flips += flips;
    damaged.accepted += accepted;
    damaged.crashes += crashes;
  }
  return [
    'A device catches up after thirty days: changes of its own and of others',
    renderTable(['', 'bytes', 'messages', 'seconds'], rows),
    `Single-bit flips in document frames: ${damaged.flips}, ${damaged.accepted} accepted, ${damaged.crashes} crashes`,
  ].join('\n');
}
