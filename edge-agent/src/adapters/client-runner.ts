// Runs a client's task in a thread of its own, which ends with it and gives its memory back. A masked round's thread stays until
// the round is over, for what it keeps of it is nowhere else.

import { Worker } from 'node:worker_threads';
import { knownNetworks } from '@skerry/models/networks';
import { type Clock, err, failure, messageOf, type Result, type Timer } from '@skerry/shared';
import type { SecurePolicy, SecureSession } from '@skerry/sync-protocol/secure-aggregation';
import type { Identity } from '../fleet/identity.ts';
import type { ClientRunner } from '../learn/learn-ports.ts';
import type { ClientDone, ClientWork } from '../learn/run-client.ts';

export interface ClientRunnerOptions {
  readonly device: string;
  readonly policy: SecurePolicy;
  /** By which others know whose keys it shows in a masked round; without it there is none. */
  readonly identity: () => Pick<Identity, 'key' | 'certificate' | 'authority'> | undefined;
  readonly clock: Pick<Clock, 'after'>;
}

export interface ClientWorkerData {
  /** One of `clientCommands`. */
  readonly control: Int32Array;
  readonly device: string;
  readonly policy: SecurePolicy;
  readonly identity: ReturnType<ClientRunnerOptions['identity']>;
}

export interface ClientWorkerReply {
  readonly done: Result<ClientDone>;
  /** It has more to do: a masked round is under way. */
  readonly stays: boolean;
}

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/adapters/client-worker.js', import.meta.url);

export const clientCommands = { go: 0, pause: 1, stop: 2 } as const;
/** Of a masked round between two of its stages. */
const staysMsMax = 3_600_000;

interface Thread {
  readonly worker: Worker;
  readonly control: Int32Array;
}

interface Staying extends Thread {
  readonly session: SecureSession;
  readonly timer: Timer;
}

export function createClientRunner(options: ClientRunnerOptions): ClientRunner {
  const { device, policy, identity, clock } = options;
  let staying: Staying | undefined;

  const leave = (): void => {
    staying?.timer.cancel();
    void staying?.worker.terminate();
    staying = undefined;
  };

  const begin = (): Thread => {
    const control = new Int32Array(new SharedArrayBuffer(4));
    const workerData: ClientWorkerData = { control, device, policy, identity: identity() };
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    return { control, worker: new Worker(workerUrl, { execArgv: [], workerData }) };
  };

  const threadFor = ({ message }: ClientWork): Thread | undefined => {
    if (message.type !== 'secure') {
      // Another attempt, or another run: one masked round at a time.
      if (message.type === 'train' || (message.type === 'query' && message.plan.secure)) leave();
      return begin();
    }
    if (staying === undefined || !isSame(staying.session, message)) return undefined;
    const { timer, worker, control } = staying;
    timer.cancel();
    staying = undefined;
    Atomics.store(control, 0, clientCommands.go);
    return { worker, control };
  };

  return {
    networks: Object.keys(knownNetworks),
    start(work) {
      const thread = threadFor(work);
      if (thread === undefined) return { done: Promise.resolve(expired), steer() {}, end() {} };
      const { worker, control } = thread;
      let end = (_: Result<ClientDone>, _stays?: boolean): void => {};
      const done = new Promise<Result<ClientDone>>((resolve) => {
        end = (result, stays = false) => {
          worker.off('message', heard).off('error', failed).off('exit', ended);
          if (stays) {
            // What happens to it between two stages is the same as if it were gone.
            worker.once('error', leave);
            worker.unref();
            const { run, round, attempt } = work.message;
            const timer = clock.after(staysMsMax, leave);
            staying = { worker, control, session: { run, round, attempt }, timer };
          } else void worker.terminate();
          resolve(result);
        };
      });
      const heard = ({ done, stays }: ClientWorkerReply): void => end(done, stays);
      const failed = (thrown: unknown): void => end(err(failure('internal', messageOf(thrown))));
      const ended = (): void => end(err(failure('internal', 'the client’s worker has ended')));
      worker.on('message', heard).on('error', failed).on('exit', ended);
      worker.ref();
      worker.postMessage(work);
      return {
        done,
        steer(command) {
          Atomics.store(control, 0, clientCommands[command]);
          Atomics.notify(control, 0);
        },
        end: () => end(err(failure('unavailable', 'nobody waits for it any longer'))),
      };
    },
    forget(run) {
      if (staying?.session.run === run) leave();
    },
    close: leave,
  };
}

const expired: Result<ClientDone> = err(
  failure('expired', 'this attempt is not known here, or no longer'),
);

const isSame = (a: SecureSession, b: SecureSession): boolean =>
  a.run === b.run && a.round === b.round && a.attempt === b.attempt;
