// Deltas, made or applied, in a thread of their own: a large file takes a moment.

import { parentPort } from 'node:worker_threads';
import { ok } from '@skerry/shared/plain';
import { applyDelta } from './apply-delta.ts';
import type { DeltaWork } from './delta-apart.ts';
import { encodeDelta } from './encode-delta.ts';

parentPort?.on('message', (work: DeltaWork) =>
  parentPort?.postMessage(
    work.kind === 'make'
      ? ok(encodeDelta(work.target, work.base, work.digests))
      : applyDelta(work.delta, work.base),
  ),
);
