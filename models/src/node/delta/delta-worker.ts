// One delta, made or applied, in a thread of its own: it takes seconds for a large file.

import { parentPort, workerData } from 'node:worker_threads';
import { ok } from '@skerry/shared';
import { applyDelta } from './apply-delta.ts';
import type { DeltaWork } from './delta-apart.ts';
import { encodeDelta } from './encode-delta.ts';

const { kind, bytes, base } = workerData as DeltaWork;
parentPort?.postMessage(kind === 'make' ? ok(encodeDelta(bytes, base)) : applyDelta(bytes, base));
