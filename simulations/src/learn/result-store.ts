// Results of trials as JSON files, one for each trial and seed, named by a digest of all that the trial says: what was
// changed is run again, and a sweep that was stopped goes on.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@skerry/shared/node';
import type { Trial, TrialResult } from './trial.ts';

export interface ResultStore {
  find(trial: Trial, seed: number): Promise<TrialResult | undefined>;
  put(result: TrialResult): Promise<void>;
}

const digestLength = 12;

export function createResultStore(folder: string): ResultStore {
  const pathOf = (trial: Trial, seed: number): string => {
    const digest = sha256(new TextEncoder().encode(JSON.stringify(trial)));
    const name = trial.name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase();
    return join(folder, `${name}.${seed}.${digest.slice(-digestLength)}.json`);
  };
  return {
    async find(trial, seed) {
      try {
        return JSON.parse(await readFile(pathOf(trial, seed), 'utf8'));
      } catch (thrown) {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
          return undefined;
        throw thrown;
      }
    },
    async put(result) {
      await mkdir(folder, { recursive: true });
      const path = pathOf(result.trial, result.seed);
      // Whole or not at all: a sweep may be stopped at any time.
      await writeFile(`${path}.part`, JSON.stringify(result));
      await rename(`${path}.part`, path);
    },
  };
}
