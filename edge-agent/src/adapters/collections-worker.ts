// The thread on which the collections live. One call after the other.

import { parentPort, workerData } from 'node:worker_threads';
import { defined, err, failure, messageOf, type Result } from '@skerry/shared';
import {
  type CollectionCalls,
  type CollectionHostOptions,
  createCollectionHost,
} from './collection-host.ts';

export interface CollectionsRequest {
  readonly id: number;
  readonly method: keyof CollectionCalls;
  readonly args: readonly unknown[];
}

export interface CollectionsReply {
  readonly id: number;
  readonly result: Result<unknown>;
}

const port = defined(parentPort, 'the worker’s port');
const host = createCollectionHost(workerData as CollectionHostOptions);

port.on('message', ({ id, method, args }: CollectionsRequest) => {
  port.postMessage({ id, result: answer(method, args) } satisfies CollectionsReply);
});

function answer(method: keyof CollectionCalls, args: readonly unknown[]): Result<unknown> {
  try {
    return (host[method] as (...args: readonly unknown[]) => Result<unknown>)(...args);
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}
