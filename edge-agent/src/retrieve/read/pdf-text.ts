// A PDF's text, page by page. What nobody who looks at a page sees (painted in no mode, in the colour of its ground, too
// small, beside the page, in a layer that is off) is counted and left out. Pictures are not decoded: a page that is one
// has no text.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { getResolvedPDFJS } from 'unpdf';
import { linesOf, textOf } from './pdf-lines.ts';
import { runsOfPage } from './pdf-page.ts';
import { documentCharactersMax, pagesMax, type Read } from './reading.ts';

/** [ISO 32000-2, 7.5.5] and what readers allow: within the last bytes of a file. */
const endMarkWithin = 2_048;

/** Fails with `invalid_argument` and the reason, or `too_large`. */
export async function readPdf(bytes: Uint8Array): Promise<Result<Read>> {
  const latin = new TextDecoder('latin1');
  if (!latin.decode(bytes.subarray(0, 1_024)).includes('%PDF-'))
    return err(failure('invalid_argument', 'it is no PDF: it does not begin as one'));
  // pdf.js would mend it, and what is lost nobody would miss.
  if (!latin.decode(bytes.subarray(-endMarkWithin)).includes('%%EOF'))
    return err(
      failure('invalid_argument', 'it is cut off: the mark at the end of a PDF is missing'),
    );
  supplement();
  const broken = hearBrokenPages();
  const pdfjs = await getResolvedPDFJS();
  const task = pdfjs.getDocument({
    // It takes what it is given for its own.
    data: new Uint8Array(bytes),
    // Warnings: one of them says that a page ends early.
    verbosity: 1,
    disableFontFace: true,
    // No font is drawn, and none is fetched.
    useSystemFonts: true,
    maxImageSize: 1,
    // A picture that is too large is an error to it, and what is an error ends a page without a word.
    stopAtErrors: false,
  });
  try {
    const document = await task.promise;
    if (document.numPages > pagesMax)
      return err(failure('too_large', `${document.numPages} pages; at most ${pagesMax}`));
    const layers = await document.getOptionalContentConfig();
    const lines: ReturnType<typeof linesOf>[number][] = [];
    const cutPages: number[] = [];
    let characters = 0;
    let hidden = 0;
    for (let number = 1; number <= document.numPages; number++) {
      const page = await document.getPage(number);
      const brokenBefore = broken.count();
      const operators = await page.getOperatorList({
        annotationMode: pdfjs.AnnotationMode.DISABLE,
      });
      if (broken.count() > brokenBefore) cutPages.push(number);
      const runs = runsOfPage({
        operators,
        ops: pdfjs.OPS,
        box: page.view,
        unitOf: (font) => unitOf(page.commonObjs, font),
        isShown: (group) => layers.isVisible(group as Parameters<typeof layers.isVisible>[0]),
      });
      for (const run of runs) if (run.hidden) hidden += run.text.trim().length;
      for (const line of linesOf(
        runs.filter((run) => !run.hidden),
        number - 1,
      )) {
        lines.push(line);
        characters += line.text.length;
      }
      page.cleanup();
      if (characters + hidden > documentCharactersMax)
        return err(failure('too_large', `more than ${documentCharactersMax} characters`));
    }
    if (characters === 0)
      return err(
        failure(
          'invalid_argument',
          hidden === 0
            ? 'no text is in it; pages that are pictures have none until it is recognised'
            : `all its text, ${hidden} characters, is hidden from a reader, as behind a scanned page`,
        ),
      );
    const { info } = await document.getMetadata();
    const { Title, Language } = info as { readonly Title?: unknown; readonly Language?: unknown };
    return ok({
      ...textOf(lines, document.numPages),
      title: typeof Title === 'string' ? Title.trim() : '',
      ...(typeof Language === 'string' && Language !== '' ? { language: Language } : {}),
      hidden,
      ...(cutPages.length === 0 ? {} : { cutPages }),
    });
  } catch (thrown) {
    return err(failure('invalid_argument', reasonOf(thrown)));
  } finally {
    broken.end();
    await task.destroy();
  }
}

/** It goes on behind what it cannot parse with the next page, and says so on the console alone. */
function hearBrokenPages(): { readonly count: () => number; readonly end: () => void } {
  const { warn } = console;
  let count = 0;
  console.warn = (said: unknown) => {
    if (String(said).includes('getOperatorList - ignoring errors during')) count += 1;
  };
  return {
    count: () => count,
    end() {
      console.warn = warn;
    },
  };
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof Error && thrown.name === 'PasswordException')
    return 'it is encrypted, and can be read with its password alone';
  return `it is broken: ${messageOf(thrown).slice(0, 300)}`;
}

/** A font's own, of Type 3; else a thousandth. */
function unitOf(fonts: { has(id: string): boolean; get(id: string): unknown }, id: string): number {
  const thousandth = 0.001;
  if (!fonts.has(id)) return thousandth;
  const { fontMatrix } = fonts.get(id) as { readonly fontMatrix?: readonly number[] | null };
  return Math.abs(fontMatrix?.[0] ?? thousandth) || thousandth;
}

interface Transferable {
  transferToFixedLength(this: ArrayBuffer, length?: number): ArrayBuffer;
}

/** What pdf.js uses and Node 20 lacks; this thread reads one document and ends. */
function supplement(): void {
  const prototype = ArrayBuffer.prototype as Partial<Transferable>;
  prototype.transferToFixedLength ??= function (length) {
    return this.slice(0, length);
  };
}
