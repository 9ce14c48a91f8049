// The console's files, read once at start: a page that is part of the program fails with it, not later.

import { readFileSync } from 'node:fs';

/** The same folder, seen from src/http and from dist/http. */
const folder = new URL('../../console/', import.meta.url);

const typeOf = {
  'index.html': 'text/html; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'skerry.svg': 'image/svg+xml',
} as const;

export interface ConsoleFile {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

export function readConsoleFiles(): readonly ConsoleFile[] {
  return Object.entries(typeOf).map(([name, type]) => ({
    path: name === 'index.html' ? '/' : `/${name}`,
    type,
    body: readFileSync(new URL(name, folder), 'utf8'),
  }));
}
