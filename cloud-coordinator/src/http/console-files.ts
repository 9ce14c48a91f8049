// The console's files, read once at start: a page that is part of the program fails with it, not later.

import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { pageFiles } from '@skerry/shared/node';

/** The same folder, seen from src/http and from dist/http. */
const folder = new URL('../../console/', import.meta.url);

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const own = (name: string) => [name, new URL(name, folder)] as const;

export interface ConsoleFile {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

export function readConsoleFiles(): readonly ConsoleFile[] {
  const files = [
    ...[own('index.html'), own('console.css'), own('console.js')],
    ...Object.entries(pageFiles),
  ];
  return files.map(([name, file]) => ({
    path: name === 'index.html' ? '/' : `/${name}`,
    type: types[extname(name)] ?? '',
    body: readFileSync(file, 'utf8'),
  }));
}
