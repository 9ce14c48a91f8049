// What a new version of a model costs on the wire: our delta beside the tools that make one of any two files.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from './sections.ts';
import { number, ratio, renderTable } from './table.ts';
import { makeUpdatedModels } from './updated-models.ts';

type Tool = (base: string, target: string, out: string) => readonly string[];

/** Debian packages of the same names. Each with the options that make its smallest delta. */
const tools: Readonly<Record<string, Tool>> = {
  bsdiff: (base, target, out) => [base, target, out],
  xdelta3: (base, target, out) => ['-9', '-f', '-e', '-B', '67108864', '-s', base, target, out],
  zstd: (base, target, out) => ['-19', '--long=27', '-f', '--patch-from', base, target, '-o', out],
};

const notes = [
  'made: the first delta of a fresh process, read files and their digests to made delta; again: of a process that has made three',
  'bsdiff: its whole process, which has nothing to compile',
  '–: the tool is not installed; each is a Debian package of its name',
].join('\n');
const title = 'A new version of a model: bytes of the delta, in % of the file';

export async function deltaSection({ measure, effort, onCase, workload }: Bench): Promise<string> {
  const folder = await mkdtemp(join(workload.folder, 'delta-'));
  try {
    const models = await makeUpdatedModels(folder, effort.deltaModels, onCase);
    const rows: string[][] = [];
    for (const { name, base, target } of models) {
      onCase(name);
      const ours = await measure('model-delta', { base, target });
      const share = (bytes: number): string => number((100 * bytes) / ours.targetBytes);
      const theirs = new Map<string, { readonly bytes: number; readonly ms: number }>();
      for (const [tool, arguments_] of Object.entries(tools)) {
        const made = await make(tool, arguments_(base, target, join(folder, 'out')));
        if (made) theirs.set(tool, { ...made, bytes: (await stat(join(folder, 'out'))).size });
      }
      const bsdiff = theirs.get('bsdiff');
      rows.push([
        name,
        share(ours.deltaBytes),
        ...Object.keys(tools).map((tool) => share(theirs.get(tool)?.bytes ?? Number.NaN)),
        share(ours.aloneBytes),
        number(ours.makeMs),
        number(ours.againMs),
        number(ours.applyMs),
        bsdiff === undefined ? '–' : number(bsdiff.ms),
        bsdiff === undefined ? '–' : ratio(bsdiff.ms / ours.makeMs),
        bsdiff === undefined ? '–' : ratio(bsdiff.ms / ours.againMs),
      ]);
    }
    const header = ['', 'ours', ...Object.keys(tools), 'no base', 'made ms', 'again ms'];
    const times = ['applied ms', 'bsdiff ms', 'over made', 'over again'];
    return `${title}\n${renderTable([...header, ...times], rows)}\n${notes}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** undefined where there is no such tool. */
async function make(tool: string, arguments_: readonly string[]) {
  const startedMs = performance.now();
  try {
    await promisify(execFile)(tool, [...arguments_]);
    return { ms: performance.now() - startedMs };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
