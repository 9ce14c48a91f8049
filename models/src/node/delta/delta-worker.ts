// One delta, in a thread of its own: it takes seconds for a large file.

import { parentPort, workerData } from 'node:worker_threads';
import { encodeDelta } from './encode-delta.ts';

const { target, base } = workerData as { target: Uint8Array; base?: Uint8Array };
parentPort?.postMessage(encodeDelta(target, base));
