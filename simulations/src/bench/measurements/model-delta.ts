// One delta between two files, made and applied in a fresh process: nothing is compiled before the clock starts.

import { readFile } from 'node:fs/promises';
import { applyDelta, encodeDelta } from '@skerry/models/node';
import { assert } from '@skerry/shared';
import { expectOk } from '../in-process-agent.ts';

export interface ModelDeltaOptions {
  readonly base: string;
  readonly target: string;
}

export async function modelDelta({ base, target }: ModelDeltaOptions) {
  const [from, to] = await Promise.all([readFile(base), readFile(target)]);
  const startedMs = performance.now();
  const delta = encodeDelta(to, from);
  const madeMs = performance.now();
  const applied = expectOk(applyDelta(delta, from));
  const appliedMs = performance.now();
  assert(to.equals(applied), 'the delta makes the target');
  return {
    targetBytes: to.length,
    deltaBytes: delta.length,
    aloneBytes: encodeDelta(to).length,
    makeMs: madeMs - startedMs,
    applyMs: appliedMs - madeMs,
  };
}
