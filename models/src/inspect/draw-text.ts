// A model as lines of text: each block with what it makes and costs, and what it reads where that is not the line above.

import type { Block } from './blocks.ts';
import {
  bytesText,
  macsText,
  type Outline,
  outputText,
  type Part,
  shapeText,
  totalMacs,
} from './outline.ts';

const barWidth = 20;

export function drawText({ title, subtitle, parts }: Outline): string {
  const whole = totalMacs(parts);
  const lines = parts.flatMap((part) => [
    '',
    headOf(part),
    ...part.blocks.map((b) => line(part, b, whole)),
  ]);
  return [title, subtitle, ...lines].join('\n');
}

function headOf(part: Part): string {
  const where = part.side === undefined ? part.name : `${part.side} · ${part.name}`;
  return `${where}  ${bytesText(part.bytes)}, ${macsText(totalMacs([part]))}`;
}

function line(part: Part, block: Block, whole: number): string {
  const number = String(block.id + 1).padStart(4);
  const from = block.reads.filter((id) => id !== block.id - 1).map((id) => id + 1);
  const reads = from.length > 0 ? `  ← ${from.join(', ')}` : '';
  if (block.kind === 'output') return `${number}  ▸ ${outputText(part, block)}${reads}`;
  const filled = whole === 0 ? 0 : Math.round((barWidth * block.macs) / whole);
  const cells = [
    `${block.title} ${block.bytes ?? ''}`.padEnd(24),
    shapeText(block).padStart(12),
    (block.macs === 0 ? '' : macsText(block.macs)).padStart(13),
    '█'.repeat(filled).padEnd(barWidth),
    block.also.join(', '),
  ];
  return `${number}  ${cells.join('  ')}${reads}`.trimEnd();
}
