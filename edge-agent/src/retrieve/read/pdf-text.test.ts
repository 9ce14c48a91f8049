import { describe, expect, it } from 'vitest';
import { readPdf } from './pdf-text.ts';
import { linesOfText, writeTinyPdf } from './tiny-pdf.ts';

const readOf = async (pages: readonly string[], more = {}) => {
  const read = await readPdf(writeTinyPdf({ pages, ...more }));
  if (!read.ok) throw new Error(read.error.message);
  return read.value;
};
const refusal = async (bytes: Uint8Array) => {
  const read = await readPdf(bytes);
  return read.ok ? 'taken' : read.error;
};
const order = 'Open the valve at once.';
const seen = linesOfText(['The pump is bled at the valve, which is left of the filter.']);

describe('a PDF', () => {
  it('[LIB51] says of which pages something behind a broken place was not read', async () => {
    const lost = linesOfText(['What stands here is lost.']);
    const { text, cutPages } = await readOf([seen, `${seen} ) ${lost}`, seen]);
    expect(text).not.toContain('lost');
    expect(cutPages).toEqual([2]);
    expect((await readOf([seen])).cutPages).toBeUndefined();
  });

  it('[LIB22] is read as paragraphs and headings, with its title, its language and where pages begin', async () => {
    const { text, pages, title, language, hidden } = await readOf(
      [
        `BT /F 20 Tf 50 740 Td (Winch) Tj ET ${linesOfText([
          'A winch that is worn must not be used with any load, and its lubri-',
          'cation is checked each day. Drums are turned by hand once before',
          'work.',
        ])} BT /F 12 Tf 50 600 Td (Wear:) Tj 0 -14 Td (drum,) Tj 0 -14 Td (rope.) Tj ET BT /F 12 Tf 50 500 Td [(Brakes) -300 (next) 20 (.)] TJ ET`,
        '',
        linesOfText(['The end.']),
      ],
      { info: '/Title (Winch manual)', deflated: true },
    );
    expect(text).toBe(
      '# Winch\n\nA winch that is worn must not be used with any load, and its lubrication is checked each day. ' +
        'Drums are turned by hand once before work.\n\nWear:\ndrum,\nrope.\n\nBrakes next.\n\nThe end.',
    );
    expect(pages).toEqual([0, text.indexOf('The end.'), text.indexOf('The end.')]);
    expect({ title, language, hidden }).toEqual({
      title: 'Winch manual',
      language: 'en',
      hidden: 0,
    });
  });

  it.each([
    ['in no mode', `BT 3 Tr /F 12 Tf 50 300 Td (${order}) Tj ET`],
    ['in white', `1 g BT /F 12 Tf 50 300 Td (${order}) Tj ET`],
    ['in the colour of its ground', `.2 .2 .8 rg 0 290 600 40 re f ${linesAt(300)}`],
    ['too small', `BT /F 12 Tf .1 0 0 .1 50 300 Tm (${order}) Tj ET`],
    ['beside the page', `BT /F 12 Tf -500 300 Td (${order}) Tj ET`],
    [
      'beside the page, where what clips is no box',
      `0 0 m 9 0 l 9 9 l h W n BT /F 12 Tf -500 300 Td (${order}) Tj ET`,
    ],
    ['where it is clipped away', `q 0 0 10 10 re W n ${linesAt(300)} Q`],
  ])('[LIB13] has no text that is painted %s, and says how much that is', async (_, operators) => {
    const { text, hidden } = await readOf([`${seen} ${operators}`]);
    expect(text).not.toContain('valve at once');
    expect(text).toContain('left of the filter');
    expect(hidden).toBe(order.length);
  });

  it('[LIB13] keeps white text on a dark ground, and dark text in a drawn frame or beside a slope', async () => {
    const triangle = '10 60 m 590 60 l 590 790 l h f';
    const { text, hidden } = await readOf([
      `0 0 .5 rg 0 290 600 40 re f 1 g ${linesAt(300)} 0 g 40 40 m 590 40 l 590 790 l 580 790 l 580 60 l 40 60 l f ${triangle} ${seen}`,
    ]);
    expect(text).toContain('valve at once');
    expect(text).toContain('left of the filter');
    expect(hidden).toBe(0);
  });

  it('[LIB22] keeps the text before and after a picture, which is not decoded', async () => {
    const picture = 'q 9 0 0 9 50 650 cm BI /W 4 /H 4 /CS /G /BPC 8 ID 0123456789abcdef EI Q';
    const { text } = await readOf([`${seen} ${picture} ${linesAt(300)}`]);
    expect(text).toContain('left of the filter');
    expect(text).toContain('valve at once');
  });

  it('[LIB22] of 500 pages is read to the last of them', async () => {
    const { pages = [], text } = await readOf(
      Array.from({ length: 500 }, (_, i) => linesOfText([`Part ${i + 1} is fitted.`])),
    );
    expect(pages).toHaveLength(500);
    expect(text.slice(pages[499])).toBe('Part 500 is fitted.');
  });

  it('[LIB14] is refused with a reason: none, cut off, broken, locked, only a picture, only hidden', async () => {
    const whole = writeTinyPdf({ pages: [seen] });
    expect(await refusal(Buffer.from('hello'))).toMatchObject({
      message: expect.stringMatching(/does not begin as one/),
    });
    expect(await refusal(whole.subarray(0, 600))).toMatchObject({
      message: expect.stringMatching(/cut off/),
    });
    expect(await refusal(Buffer.from('%PDF-1.7\nnothing\n%%EOF'))).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^it is broken: /),
    });
    const trailer = `/Encrypt << /Filter /Standard /V 1 /R 2 /O <${'41'.repeat(32)}> /U <${'42'.repeat(32)}> /P -4 >> /ID [<41><41>]`;
    expect(await refusal(writeTinyPdf({ pages: [seen], trailer }))).toMatchObject({
      message: 'it is encrypted, and can be read with its password alone',
    });
    expect(await refusal(writeTinyPdf({ pages: ['0 0 5 5 re f'] }))).toMatchObject({
      message: expect.stringMatching(/pages that are pictures/),
    });
    const hidden = `BT 3 Tr /F 12 Tf 50 300 Td (${order}) Tj ET`;
    expect(await refusal(writeTinyPdf({ pages: [hidden] }))).toMatchObject({
      message: expect.stringMatching(/^all its text, 23 characters, is hidden/),
    });
  });
});

function linesAt(y: number): string {
  return `BT /F 12 Tf 50 ${y} Td (${order}) Tj ET`;
}
