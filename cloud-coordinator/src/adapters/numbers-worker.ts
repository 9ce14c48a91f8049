// A round's numbers, in a thread of its own: it asks for the parts one by one, and gives the model away.

import { parentPort, workerData } from 'node:worker_threads';
import { ok } from '@skerry/shared';
import { createNodeCryptography } from '@skerry/sync-protocol/node';
import {
  type AggregateWork,
  aggregateNumbers,
  type ReadPart,
  type UnmaskWork,
  unmaskNumbers,
} from '../learn/runs/round-numbers.ts';
import type { NumbersWord } from './worker-numbers.ts';

const work = workerData as AggregateWork | UnmaskWork;
const say = (word: NumbersWord, moved: ArrayBuffer[] = []): void =>
  parentPort?.postMessage(word, moved);

// What cannot be read ends this thread, from outside.
const read: ReadPart = (need) =>
  new Promise((resolve) => {
    parentPort?.once('message', (part: Uint8Array) => resolve(ok(part)));
    say({ need });
  });

const done =
  work.kind === 'aggregate'
    ? await aggregateNumbers(work, read)
    : await unmaskNumbers(work, read, createNodeCryptography());
const made = done.ok && done.value.made.ok ? done.value.made.value : undefined;
const model = made !== undefined && 'model' in made ? made.model : undefined;
const vectors = model === undefined ? [] : [model.parameters, model.state, model.control];
say({ done }, [
  ...new Set(
    vectors.flatMap((vector) => (vector?.buffer instanceof ArrayBuffer ? [vector.buffer] : [])),
  ),
]);
