import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert } from '../assert.ts';

/** A mistake to plant in a built file: what is there, once, and what stands there instead. */
export interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** One of the folder's modules, with the mistake in it or in what it imports from beside it. */
  load(file: string): Promise<unknown>;
  remove(): void;
}

/**
 * A copy of a built folder with one mistake in it. Tests that still pass on it see less than they say: whoever lists the
 * mistakes that would be worst has his tests tested.
 */
export async function plantMutant(
  builtFolder: string,
  { file, from, to }: Mutation,
): Promise<Mutant> {
  // Beside the folder, so that what it imports from elsewhere is found.
  const folder = await mkdtemp(`${builtFolder}-mutant-`);
  await cp(builtFolder, folder, { recursive: true });
  const path = join(folder, file);
  const parts = readFileSync(path, 'utf8').split(from);
  assert(parts.length === 2, `'${from}' stands in ${file} ${parts.length - 1} times, not once`);
  writeFileSync(path, parts.join(to));
  return {
    load: (name) => import(/* @vite-ignore */ pathToFileURL(join(folder, name)).href),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
