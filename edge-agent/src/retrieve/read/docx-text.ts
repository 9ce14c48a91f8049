// A Word document as a person sees it (ECMA-376): headings, paragraphs, lists and tables; neither what was deleted while
// changes are tracked nor what is hidden, white on white, or too small to be seen.

import { StringDecoder } from 'node:string_decoder';
import { err, failure, ok, type Result } from '@skerry/shared/plain';
import { Parser } from 'htmlparser2';
import { isShade, levelOf, lookOf, readDocxStyles, type Style } from './docx-styles.ts';
import { documentCharactersMax, expandedBytesMax, type Read } from './reading.ts';
import { openZip, type ZipEntries } from './zip-entry.ts';

const documentEntry = 'word/document.xml';
const stylesEntry = 'word/styles.xml';
const coreEntry = 'docProps/core.xml';

/** Open elements, at most: Word itself writes some thirty. */
const depthMax = 512;
/** In half points: 2 points. */
const sizeMin = 4;

type Attributes = Readonly<Record<string, string>>;

/** What only looks like a heading of Markdown is none. */
const plainOf = (text: string): string => text.replace(/^(?=#{1,6}\s)/, '\\');

/** Fails with `invalid_argument` for what is no Word document, or `too_large`. */
export async function readDocx(
  bytes: Uint8Array,
  bytesMax: number = expandedBytesMax,
): Promise<Result<Read>> {
  // [MS-OFFCRYPTO] puts an encrypted document into a compound file.
  if (bytes[0] === 0xd0 && bytes[1] === 0xcf)
    return err(failure('invalid_argument', 'it is encrypted, or of Word before 2007'));
  const opened = await openZip(bytes, bytesMax);
  if (!opened.ok) return opened;
  const zip = opened.value;
  if (!zip.has(documentEntry))
    return err(failure('invalid_argument', `it is no Word document: it has no ${documentEntry}`));
  const styles = zip.has(stylesEntry)
    ? await readDocxStyles((parser) => parse(zip, stylesEntry, parser))
    : ok(new Map<string, Style>());
  if (!styles.ok) return styles;
  let title = '';
  let open = '';
  const core = new Parser(
    {
      onopentag(name) {
        open = name;
      },
      ontext(text) {
        if (open === 'dc:title') title += text;
      },
      onclosetag() {
        open = '';
      },
    },
    { xmlMode: true },
  );
  const told = zip.has(coreEntry) ? await parse(zip, coreEntry, core) : ok(undefined);
  if (!told.ok) return told;
  const body = readBody(styles.value);
  const read = await parse(zip, documentEntry, body.parser, body.characters);
  if (!read.ok) return read;
  return ok({ title: title.trim(), text: body.text(), hidden: body.hidden() });
}

async function parse(
  zip: ZipEntries,
  name: string,
  parser: Parser,
  characters: () => number = () => 0,
): Promise<Result<void>> {
  const decoder = new StringDecoder('utf8');
  const streamed = await zip.stream(name, (piece) => {
    if (characters() <= documentCharactersMax) parser.write(decoder.write(piece));
  });
  if (!streamed.ok) return streamed;
  if (characters() > documentCharactersMax)
    return err(failure('too_large', `more than ${documentCharactersMax} characters`));
  parser.end(decoder.end());
  return ok(undefined);
}

/** Not of the text as it stands: deleted, instructions of fields, what older readers would be shown instead. */
const unread = new Set(['w:del', 'w:moveFrom', 'w:instrText', 'w:delText', 'mc:Fallback']);

function readBody(styles: ReadonlyMap<string, Style>) {
  const out: string[] = [];
  let paragraph: string[] = [];
  let paragraphStyle: Style = {};
  let run: Style = {};
  let listed = false;
  let inRun = false;
  let inText = false;
  let skipped = 0;
  let hidden = 0;
  let characters = 0;
  /** Of each table that is open, whether its present cell is shaded. */
  const cells: boolean[] = [];
  let depth = 0;

  const isHidden = (): boolean => {
    const { vanish, white, shaded, size } = { ...paragraphStyle, ...run };
    return (
      vanish === true ||
      (white === true && shaded !== true && cells.at(-1) !== true) ||
      (size !== undefined && size < sizeMin)
    );
  };
  const say = (text: string): void => {
    if (isHidden()) hidden += text.trim().length;
    else {
      paragraph.push(text);
      characters += text.length;
    }
  };
  const endParagraph = (): void => {
    const text = paragraph
      .join('')
      .replace(/[ \t\u00a0]+/g, ' ')
      .trim();
    paragraph = [];
    if (text === '') return;
    const { level } = paragraphStyle;
    if (cells.length > 0) out.push(' ', text.replaceAll('\n', ' '));
    else if (level !== undefined)
      out.push('\n\n', '#'.repeat(level), ' ', text.replaceAll('\n', ' '), '\n\n');
    else if (listed) out.push('\n- ', text);
    else out.push('\n\n', plainOf(text));
  };

  const opened: Readonly<Record<string, (attributes: Attributes) => void>> = {
    'w:p'() {
      paragraphStyle = {};
      listed = false;
    },
    'w:pStyle'(a) {
      paragraphStyle = { ...styles.get(a['w:val'] ?? '') };
    },
    'w:outlineLvl'(a) {
      const level = levelOf(a);
      if (level !== undefined) paragraphStyle = { ...paragraphStyle, level };
    },
    'w:numPr'() {
      listed = true;
    },
    'w:r'() {
      run = {};
      inRun = true;
    },
    'w:rStyle'(a) {
      run = { ...styles.get(a['w:val'] ?? ''), ...run };
    },
    'w:t'() {
      inText = true;
    },
    'w:tab': () => void (inRun && say(' ')),
    'w:br': () => void (inRun && say('\n')),
    'w:noBreakHyphen': () => say('-'),
    'w:tbl'() {
      out.push('\n');
      cells.push(false);
    },
    'w:tr': () => void out.push('\n'),
    'w:tc'() {
      out.push(' |');
      cells[cells.length - 1] = false;
    },
    'w:shd'(a) {
      const shaded = isShade(a);
      if (inRun) run = { ...run, shaded };
      else if (cells.length > 0) cells[cells.length - 1] = shaded;
      else paragraphStyle = { ...paragraphStyle, shaded };
    },
  };
  const closed: Readonly<Record<string, () => void>> = {
    'w:p': endParagraph,
    'w:r'() {
      inRun = false;
    },
    'w:t'() {
      inText = false;
    },
    'w:tbl'() {
      cells.pop();
      out.push('\n\n');
    },
  };
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        depth++;
        if (unread.has(name) || depth > depthMax) skipped++;
        if (skipped > 0) return;
        if (Object.hasOwn(opened, name)) opened[name]?.(attributes);
        // A paragraph's own `w:rPr` is of its mark, which nobody sees.
        if (inRun) run = { ...run, ...lookOf(name, attributes) };
      },
      ontext(text) {
        if (inText && skipped === 0) say(text);
      },
      onclosetag(name) {
        if (skipped === 0 && Object.hasOwn(closed, name)) closed[name]?.();
        if (unread.has(name) || depth > depthMax) skipped--;
        depth--;
      },
    },
    { xmlMode: true },
  );
  return {
    parser,
    hidden: () => hidden,
    characters: () => characters,
    text: () =>
      out
        .join('')
        .replace(/\n{3,}/g, '\n\n')
        .replace(/^ +/gm, '')
        .trim(),
  };
}
