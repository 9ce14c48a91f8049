// A page's text as a person sees it: headings, paragraphs, lists, tables, nothing of what runs and nothing that is hidden.
// Text that is there for machines alone is left out and counted: it is how a page is made to be found, or to give orders
// to whoever reads it for somebody.

import { Parser } from 'htmlparser2';

export interface HtmlText {
  readonly title: string;
  /** Headings as in Markdown, so that one splitter serves both. */
  readonly text: string;
  readonly language?: string;
  /** Characters that no person would have seen. */
  readonly hidden: number;
}

const skipped = new Set([
  'script',
  'style',
  'noscript',
  'template',
  'svg',
  'math',
  'iframe',
  'object',
  'head',
  'nav',
  'select',
  'button',
  'form',
]);
const blocks = new Set([
  'p',
  'div',
  'section',
  'article',
  'main',
  'header',
  'footer',
  'ul',
  'ol',
  'dl',
  'table',
  'blockquote',
  'pre',
  'figure',
  'aside',
  'address',
  'hr',
]);
const lines = new Set(['br', 'li', 'tr', 'dt', 'dd', 'caption', 'figcaption']);
const voids = new Set(['br', 'hr', 'img', 'input', 'meta', 'link', 'col', 'area', 'base', 'wbr']);

const hiddenStyle =
  /display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?(?![.\d])|font-size\s*:\s*0|(?:left|top|text-indent)\s*:\s*-\d{4,}/i;

/** As in Markdown: what is preformatted has no headings. */
const fence = '```';

/** Open elements, at most: what lies deeper is no page that a person reads, and counts as hidden. */
const depthMax = 512;

/** Never fails: any text is some page. */
export function readHtml(html: string): HtmlText {
  const out: string[] = [];
  let title = '';
  let language: string | undefined;
  let hidden = 0;
  /** Elements that are open below the depth. */
  let deeper = 0;
  /** What each open element is: read, skipped, hidden, or kept as it is (`pre`). */
  const open: { readonly name: string; readonly mode: 'read' | 'skip' | 'hide' | 'keep' }[] = [];
  const mode = () => open.at(-1)?.mode ?? 'read';
  const isTitle = () => open.at(-1)?.name === 'title';

  const parser = new Parser({
    onopentag(name, attributes) {
      if (name === 'html' && attributes['lang'] !== undefined) language = attributes['lang'];
      if (lines.has(name)) out.push('\n', name === 'li' ? '- ' : '');
      if (blocks.has(name)) out.push('\n\n');
      if (/^h[1-6]$/.test(name)) out.push(`\n\n${'#'.repeat(Number(name[1]))} `);
      if (name === 'td' || name === 'th') out.push(' | ');
      if (voids.has(name)) return;
      if (open.length >= depthMax) {
        deeper += 1;
        return;
      }
      open.push({ name, mode: modeOf(name, attributes, mode()) });
      if (name === 'pre' && mode() === 'keep') out.push(`${fence}\n`);
    },
    ontext(text) {
      if (isTitle()) title += text;
      else if (mode() === 'hide' || deeper > 0) hidden += text.trim().length;
      else if (mode() === 'keep') out.push(text);
      else if (mode() === 'read') out.push(text.replace(/\s+/g, ' '));
    },
    onclosetag(name) {
      if (deeper > 0 && !voids.has(name)) {
        deeper -= 1;
        return;
      }
      if (name === 'pre' && mode() === 'keep') out.push(`\n${fence}`);
      if (blocks.has(name) || /^h[1-6]$/.test(name)) out.push('\n\n');
      const at = open.findLastIndex((element) => element.name === name);
      if (at !== -1) open.length = at;
    },
  });
  parser.end(html);
  return {
    title: title.replace(/\s+/g, ' ').trim(),
    text: tidied(out.join('')),
    ...(language === undefined ? {} : { language }),
    hidden,
  };
}

function modeOf(
  name: string,
  attributes: Readonly<Record<string, string>>,
  outer: 'read' | 'skip' | 'hide' | 'keep',
): 'read' | 'skip' | 'hide' | 'keep' {
  if (outer === 'skip' || outer === 'hide') return outer;
  if (skipped.has(name)) return 'skip';
  if ('hidden' in attributes || attributes['aria-hidden'] === 'true') return 'hide';
  if (hiddenStyle.test(attributes['style'] ?? '')) return 'hide';
  return name === 'pre' ? 'keep' : outer;
}

const tidied = (text: string): string =>
  text
    .replace(/[ \t\u00a0]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
