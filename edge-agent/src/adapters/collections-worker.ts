// The thread on which the collections live. One call after the other.

import { parentPort, workerData } from 'node:worker_threads';
import { defined, err, failure, messageOf, type Result } from '@skerry/shared';
import {
  type CollectionCalls,
  type CollectionHostOptions,
  createCollectionHost,
} from './collection-host.ts';

export interface CollectionsRequest {
  readonly method: keyof CollectionCalls;
  readonly args: readonly unknown[];
}

export interface CollectionsReply {
  readonly result: Result<unknown>;
}

const port = defined(parentPort, 'the worker’s port');
const host = createCollectionHost(workerData as CollectionHostOptions);

/** Of what is not urgent, done a little at a time: a call comes between. */
let idle: NodeJS.Immediate | undefined;

port.on('message', ({ method, args }: CollectionsRequest) => {
  port.postMessage({ result: answer(method, args) } satisfies CollectionsReply);
  if (idle === undefined) idle = setImmediate(workOn);
});

function workOn(): void {
  idle = host.work() ? setImmediate(workOn) : undefined;
}

function answer(method: keyof CollectionCalls, args: readonly unknown[]): Result<unknown> {
  try {
    return (host[method] as (...args: readonly unknown[]) => Result<unknown>)(...args);
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}
