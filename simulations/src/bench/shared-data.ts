// Public data sets that are not part of the repository: beside it, where somebody has put them. What reads them says so
// and is skipped, counted, without them.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../../', import.meta.url);

/** The file or folder in ../shared/data, beside the repository; undefined where it is not there. */
export function sharedData(path: string): string | undefined {
  const file = fileURLToPath(new URL(`../shared/data/${path}`, root));
  return existsSync(file) ? file : undefined;
}

/** A file that `npm run models -- pull` was told to put under .skerry/models. */
export function pulledModel(name: string): string | undefined {
  const file = fileURLToPath(new URL(`.skerry/models/${name}`, root));
  return existsSync(file) ? file : undefined;
}
