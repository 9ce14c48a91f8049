// Writes small PDFs for tests: pages of operators, one font, nothing compressed unless it is given so. ISO 32000-2, 7.5.

import { deflateSync } from 'node:zlib';

export interface TinyPdf {
  /** Of each page, its operators. */
  readonly pages: readonly string[];
  readonly info?: string;
  readonly deflated?: boolean;
  /** Further entries of the trailer. */
  readonly trailer?: string;
}

const fontObject = 3;

export function writeTinyPdf({
  pages,
  info = '',
  deflated = false,
  trailer = '',
}: TinyPdf): Buffer {
  const pageObject = (i: number): number => fontObject + 1 + 2 * i;
  const objects: (string | Buffer)[] = [
    '<< /Type /Catalog /Pages 2 0 R /Lang (en) >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, i) => `${pageObject(i)} 0 R`).join(' ')}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  for (const [i, operators] of pages.entries()) {
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents ${pageObject(i) + 1} 0 R ` +
        `/Resources << /Font << /F ${fontObject} 0 R >> >> >>`,
    );
    const content = deflated ? deflateSync(operators) : Buffer.from(operators, 'latin1');
    const filter = deflated ? '/Filter /FlateDecode ' : '';
    objects.push(
      Buffer.concat([
        Buffer.from(`<< ${filter}/Length ${content.length} >>\nstream\n`),
        content,
        Buffer.from('\nendstream'),
      ]),
    );
  }
  objects.push(`<< ${info} >>`);
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n')];
  const offsets: number[] = [];
  let length = 9;
  for (const [i, object] of objects.entries()) {
    offsets.push(length);
    const part = Buffer.concat([
      Buffer.from(`${i + 1} 0 obj\n`),
      Buffer.from(object as string),
      Buffer.from('\nendobj\n'),
    ]);
    parts.push(part);
    length += part.length;
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  parts.push(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}` +
        `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info ${objects.length} 0 R ${trailer} >>\n` +
        `startxref\n${length}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(parts);
}

/** Operators of lines of text, from the top of a page. */
export const linesOfText = (lines: readonly string[], size = 12): string =>
  `BT /F ${size} Tf 50 700 Td ${lines.map((line) => `(${line}) Tj 0 -14 Td`).join(' ')} ET`;
