import { fileURLToPath } from 'node:url';

const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../page/${name}`, import.meta.url));

/** Files that each page of ours begins with, by the name that it knows them by. */
export const pageFiles = {
  'skerry.css': fileOf('skerry.css'),
  'skerry.svg': fileOf('skerry.svg'),
} as const;
