import { describe, expect, it } from 'vitest';
import { readDocx } from './docx-text.ts';
import { writeTinyDocx, writeTinyZip } from './tiny-zip.ts';

const readOf = async (...given: Parameters<typeof writeTinyDocx>) => {
  const read = await readDocx(writeTinyDocx(...given));
  if (!read.ok) throw new Error(read.error.message);
  return read.value;
};
const refusal = async (bytes: Uint8Array, bytesMax?: number) => {
  const read = await readDocx(bytes, bytesMax);
  return read.ok ? 'taken' : read.error;
};
const run = (text: string, look = '') => `<w:r><w:rPr>${look}</w:rPr><w:t>${text}</w:t></w:r>`;
const paragraph = (runs: string, look = '') => `<w:p><w:pPr>${look}</w:pPr>${runs}</w:p>`;
const cell = (text: string) => `<w:tc>${paragraph(run(text))}</w:tc>`;

const styles = {
  name: 'word/styles.xml',
  bytes:
    '<w:styles><w:style w:styleId="H2"><w:name w:val="heading 2"/></w:style>' +
    '<w:style w:styleId="Mine"><w:basedOn w:val="H2"/></w:style>' +
    '<w:style w:styleId="Ghost"><w:rPr><w:vanish/></w:rPr></w:style></w:styles>',
};

describe('a Word document', () => {
  it('[LIB23] has headings, paragraphs, lists and tables, and nothing that was deleted from it', async () => {
    const item = '<w:numPr><w:ilvl w:val="0"/></w:numPr>';
    const { text, title, hidden } = await readOf(
      paragraph(run('Bleeding'), '<w:pStyle w:val="Mine"/>') +
        paragraph(
          `${run('Open ') + run('it.')}<w:del><w:r><w:delText>Never</w:delText></w:r></w:del>`,
        ) +
        paragraph(run('one'), item) +
        paragraph(run('two'), item) +
        `<w:tbl><w:tr>${cell('bar')}${cell('K')}</w:tr><w:tr>${cell('1')}${cell('2')}</w:tr></w:tbl>` +
        paragraph(
          `<mc:AlternateContent><mc:Fallback>${run('old')}</mc:Fallback></mc:AlternateContent>${run('A &amp; B')}`,
        ) +
        '<constructor/><__proto__/>',
      [styles, { name: 'docProps/core.xml', bytes: '<c><dc:title>The pump</dc:title></c>' }],
    );
    expect(text).toBe(
      '## Bleeding\n\nOpen it.\n- one\n- two\n\n| bar | K\n| 1 | 2\n\nA &amp; B'.replace(
        '&amp;',
        '&',
      ),
    );
    expect({ title, hidden }).toEqual({ title: 'The pump', hidden: 0 });
  });

  it.each([
    ['hidden', '<w:vanish/>'],
    ['hidden by its style', '<w:rStyle w:val="Ghost"/>'],
    ['white', '<w:color w:val="FFFFFF"/>'],
    ['too small', '<w:sz w:val="2"/>'],
  ])('[LIB13] has no run that is %s, and says how much that is', async (_, look) => {
    const { text, hidden } = await readOf(paragraph(run('Seen.') + run('Unseen.', look)), [styles]);
    expect(text).toBe('Seen.');
    expect(hidden).toBe('Unseen.'.length);
  });

  it('[LIB13] keeps what is white on a shade, and what is said not to be hidden', async () => {
    const shade = '<w:shd w:fill="1F3864"/>';
    const white = '<w:color w:val="FFFFFF"/>';
    const { text, hidden } = await readOf(
      paragraph(run('a', white + shade)) +
        paragraph(run('b', '<w:vanish w:val="0"/>')) +
        `<w:tbl><w:tr><w:tc><w:tcPr>${shade}</w:tcPr>${paragraph(run('c', white))}</w:tc></w:tr></w:tbl>`,
    );
    expect(text).toBe('a\n\nb\n\n| c');
    expect(hidden).toBe(0);
  });

  it('[LIB21] is bounded as it is unpacked, whatever its directory says of its size', async () => {
    const body = paragraph(run('x'.repeat(1_000_000)));
    const said = writeTinyZip([
      { name: 'word/document.xml', bytes: `<w:document>${body}</w:document>`, said: 10 },
    ]);
    expect(said.length).toBeLessThan(2_000);
    expect(await refusal(said, 100_000)).toMatchObject({
      code: 'too_large',
      message: 'more than 100000 bytes once unpacked',
    });
  });

  it('[LIB21] is bounded over all that is read of it, also where its entries share their bytes', async () => {
    const bytes = `<w:document>${paragraph(run('x'.repeat(80_000)))}</w:document>`;
    const names = ['word/document.xml', 'word/styles.xml', 'docProps/core.xml'];
    const shared = writeTinyZip(names.map((name) => ({ name, bytes })));
    // Each entry's place is the first one's: the archive unpacks to more than it holds.
    for (let at = shared.indexOf('PK\x01\x02'); at >= 0; at = shared.indexOf('PK\x01\x02', at + 4))
      shared.writeUInt32LE(0, at + 42);
    expect(await refusal(shared, 200_000)).toMatchObject({ code: 'too_large' });
  });

  it('[LIB21] leaves archives in it alone, and is refused with more entries than a document has', async () => {
    const bomb = writeTinyZip([{ name: 'zeros', bytes: new Uint8Array(1_000_000) }]);
    const nested = { name: 'word/embeddings/bomb.zip', bytes: bomb };
    expect((await readOf(paragraph(run('Bleed it.')), [nested])).text).toBe('Bleed it.');
    const zeros = { name: 'word/media/zeros', bytes: new Uint8Array(1_000_000) };
    expect(await refusal(writeTinyDocx(paragraph(run('x')), [zeros]), 10_000)).toBe('taken');
    const many = writeTinyDocx(paragraph(run('x')));
    many.writeUInt16LE(10_001, many.length - 12);
    expect(await refusal(many)).toMatchObject({
      code: 'too_large',
      message: '10001 files in it; at most 10000',
    });
  });

  it('[LIB14] is refused with a reason: no archive, cut off, none of Word, encrypted', async () => {
    const whole = writeTinyDocx(paragraph(run('x')));
    expect(await refusal(Buffer.from('hello'))).toMatchObject({
      message: expect.stringMatching(/no zip archive/),
    });
    expect(await refusal(whole.subarray(0, 100))).toMatchObject({
      message: expect.stringMatching(/no zip archive/),
    });
    expect(await refusal(writeTinyZip([{ name: 'a', bytes: 'b' }]))).toMatchObject({
      message: expect.stringMatching(/it has no word\/document.xml/),
    });
    expect(await refusal(Buffer.from([0xd0, 0xcf, 0x11, 0xe0]))).toMatchObject({
      message: expect.stringMatching(/encrypted/),
    });
    const broken = Buffer.from(whole);
    broken.fill(0xff, 48, 60);
    expect(await refusal(broken)).toMatchObject({ message: expect.stringMatching(/is broken/) });
  });
});
