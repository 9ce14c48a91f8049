// How a device catches up after weeks: bytes, messages and seconds, beside Automerge's own sync protocol. And what becomes
// of frames that a link has damaged.

import type { Bench } from './sections.ts';
import { number, renderTable } from './table.ts';

const keys = 200;
const flips = 1_500;

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
  onCase(`document-flips ${flips}`);
  const { accepted, crashes } = await measure('document-flips', { flips });
  return [
    'A device catches up after thirty days: changes of its own and of others',
    renderTable(['', 'bytes', 'messages', 'seconds'], rows),
    `Single-bit flips in document frames: ${flips}, ${accepted} accepted, ${crashes} crashes`,
  ].join('\n');
}
