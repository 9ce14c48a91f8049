// What the operator of the demo does to let a fleet learn: `skerry learn start`, and a look over HTTP.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LearningFleet } from './open-fleet.ts';
import { type RunView, readRunView } from './run-view.ts';
import type { IdxFiles } from './write-idx.ts';

export interface LearnOperator {
  start(plan: { readonly id: string }, heldOut: IdxFiles): Promise<void>;
  view(run: string): Promise<RunView>;
  /** A blob's bytes. */
  fetch(digest: string): Promise<Uint8Array>;
}

/** What is run is what is shipped. */
const skerryMain = new URL('../../../cloud-coordinator/dist/skerry/main.js', import.meta.url)
  .pathname;

export function createLearnOperator({
  coordinator: { httpUrl },
  folder,
}: Pick<LearningFleet, 'coordinator' | 'folder'>): LearnOperator {
  const get = async (path: string): Promise<Response> => {
    const response = await fetch(`${httpUrl}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    async start(plan, { images, labels }) {
      const path = join(folder, `${plan.id}.json`);
      await writeFile(path, JSON.stringify(plan));
      const argv = ['learn', 'start', path, '--held-out', `${images},${labels}`];
      await promisify(execFile)(process.execPath, [skerryMain, ...argv, '--coordinator', httpUrl]);
    },
    view: async (run) => readRunView(await (await get(`/v1/learn/${run}`)).json()),
    fetch: async (digest) =>
      new Uint8Array(await (await get(`/v1/blobs/${encodeURIComponent(digest)}`)).arrayBuffer()),
  };
}
