import { describe, expect, it } from 'vitest';
import { createProgress } from './progress.ts';

function run(isTTY: boolean): string[] {
  const written: string[] = [];
  let nowMs = 0;
  const stream = { isTTY, write: (text: string) => void written.push(text) };
  const onStep = createProgress(stream, () => nowMs);
  for (let step = 1; step <= 100; step++) {
    nowMs = step * 1000;
    onStep({ step, steps: 100, losses: [1, 0.5] });
  }
  return written;
}

describe('progress', () => {
  it('writes a plain line every few percent where nobody watches', () => {
    const lines = run(false);
    expect(lines).toHaveLength(20);
    expect(lines[9]).toBe(' 50 %  loss 1.0000 / 0.5000  0 min 50 s left\n');
    expect(lines.at(-1)).toContain('100 %');
  });

  it('redraws one line on a terminal, and ends it', () => {
    const lines = run(true);
    expect(lines).toHaveLength(100);
    expect(lines.every((line) => line.startsWith('\r['))).toBe(true);
    expect(lines.at(-1)?.endsWith('\n')).toBe(true);
  });
});
