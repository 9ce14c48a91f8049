// One delta between two files, made and applied in a fresh process: nothing is compiled before the clock of the first
// starts. How long it takes where the code has run before, as in a coordinator that makes many, stands beside it.

import { readFile } from 'node:fs/promises';
import { applyDelta, encodeDelta } from '@skerry/models/delta';
import { assert } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { expectOk } from '../in-process-agent.ts';
import { median } from '../statistics.ts';

/** The first of them still compile. */
const warmUps = 3;
const warmRounds = warmUps + 5;

export interface ModelDeltaOptions {
  readonly base: string;
  readonly target: string;
}

export async function modelDelta({ base, target }: ModelDeltaOptions) {
  const [from, to] = await Promise.all([readFile(base), readFile(target)]);
  // As the coordinator has them, whose blobs are named by them.
  const digests = { target: sha256(to), base: sha256(from) };
  const startedMs = performance.now();
  const delta = encodeDelta(to, from, digests);
  const madeMs = performance.now();
  const applied = expectOk(applyDelta(delta, from));
  const appliedMs = performance.now();
  assert(to.equals(applied), 'the delta makes the target');
  const again: number[] = [];
  for (let i = 0; i < warmRounds; i++) {
    const beganMs = performance.now();
    encodeDelta(to, from, digests);
    again.push(performance.now() - beganMs);
  }
  return {
    targetBytes: to.length,
    deltaBytes: delta.length,
    aloneBytes: encodeDelta(to).length,
    makeMs: madeMs - startedMs,
    againMs: median(again.slice(warmUps)),
    applyMs: appliedMs - madeMs,
  };
}
