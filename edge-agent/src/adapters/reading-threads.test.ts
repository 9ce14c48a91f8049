import { describe, expect, it } from 'vitest';
import { expandedBytesMax, type ThreadKind } from '../retrieve/read/reading.ts';
import { linesOfText, writeTinyPdf } from '../retrieve/read/tiny-pdf.ts';
import { writeTinyDocx, writeTinyZip } from '../retrieve/read/tiny-zip.ts';
import { createReadingThreads, type ReadingLimits } from './reading-threads.ts';

const readWith = (kind: ThreadKind, bytes: Uint8Array, limits: Partial<ReadingLimits> = {}) =>
  createReadingThreads(limits)(kind, bytes);

describe('a document in a thread of its own', () => {
  it('[LIB20] is read as it is without one', async () => {
    const pdf = writeTinyPdf({ pages: [linesOfText(['A pump.'])] });
    expect(await readWith('pdf', pdf)).toMatchObject({ ok: true, value: { text: 'A pump.' } });
    const docx = writeTinyDocx('<w:p><w:r><w:t>A pump.</w:t></w:r></w:p>');
    expect(await readWith('docx', docx)).toMatchObject({ ok: true, value: { text: 'A pump.' } });
    expect(await readWith('csv', Buffer.from('a\n1'))).toMatchObject({
      ok: true,
      value: { text: 'a: 1\n\n' },
    });
    expect(pdf.length).toBeGreaterThan(0); // Its bytes are still its owner's.
  });

  it('[LIB20] that takes too long is refused, and so is what follows too many that wait', async () => {
    const page = linesOfText(Array.from({ length: 500 }, () => 'A pump is a pump.'));
    const long = writeTinyPdf({ pages: Array.from({ length: 100 }, () => page) });
    expect(await readWith('pdf', long, { msMax: 1 })).toMatchObject({
      error: { code: 'too_large', message: 'it takes longer than 0.001 s to read' },
    });
    const read = createReadingThreads({ threadsMax: 1, waitingMax: 1 });
    const outcomes = await Promise.all(
      ['1', '2', '3'].map((n) => read('csv', Buffer.from(`a\n${n}`))),
    );
    expect(outcomes.map((each) => (each.ok ? each.value.text.trim() : each.error.code))).toEqual([
      'a: 1',
      'a: 2',
      'overloaded',
    ]);
  });

  it('[LIB20] that takes too much memory is refused: of the heap, or of what lies in none', async () => {
    const rows = Buffer.from(`a\n${'"x\n",'.repeat(500)}\n`.repeat(4_000));
    expect(await readWith('csv', rows, { heapMbMax: 8 })).toMatchObject({
      error: { code: 'too_large' },
    });
    const bomb = writeTinyPdf({ pages: [' '.repeat(300_000_000)], deflated: true });
    expect(bomb.length).toBeLessThan(500_000);
    expect(await readWith('pdf', bomb, { growthMbMax: 100 })).toMatchObject({
      error: { code: 'too_large', message: 'it takes more than 100 MB to read' },
    });
  });

  it('[LIB21] a zip bomb is refused', async () => {
    const bomb = writeTinyZip([
      {
        name: 'word/document.xml',
        bytes: Buffer.alloc(expandedBytesMax + 2 ** 20, 0x20),
        said: 1_000,
      },
    ]);
    expect(bomb.length).toBeLessThan(expandedBytesMax / 1_000);
    expect(await readWith('docx', bomb)).toMatchObject({
      error: { code: 'too_large', message: expect.stringMatching(/once unpacked/) },
    });
  });
});
