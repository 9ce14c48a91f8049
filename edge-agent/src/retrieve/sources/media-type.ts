// What a file is, by the end of its name.

const byEnding: Readonly<Record<string, string>> = {
  txt: 'text/plain',
  log: 'text/plain',
  md: 'text/markdown',
  markdown: 'text/markdown',
  html: 'text/html',
  htm: 'text/html',
  xhtml: 'text/html',
  csv: 'text/csv',
  tsv: 'text/tab-separated-values',
  pdf: 'application/pdf',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
};

export function mediaTypeOf(path: string): string {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(byEnding, ending)
    ? (byEnding[ending] as string)
    : 'application/octet-stream';
}

/** What editors, browsers and copying programs leave while they work, and what hides itself. */
export const isTemporary = (name: string): boolean =>
  /^(\.|~\$|#.*#$)|(~|\.(tmp|temp|part|partial|crdownload|download|swp|swx|bak|lock))$/i.test(name);
