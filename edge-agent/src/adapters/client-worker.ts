// The thread that a client's tasks run in. It yields to every other thread of the process, and waits while it is told to.

import { randomFillSync } from 'node:crypto';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import {
  createCertificateSigner,
  createCertificateVerifier,
  createNodeCryptography,
} from '@skerry/sync-protocol/node';
import { createMask, type Mask } from '../learn/mods/mask.ts';
import { type ClientDone, type ClientWork, runClient } from '../learn/run-client.ts';
import { type ClientWorkerData, type ClientWorkerReply, clientCommands } from './client-runner.ts';
import { createLocalTrainer } from './local-trainer.ts';

const port = defined(parentPort, 'the worker’s port');
const { control, device, policy, identity } = workerData as ClientWorkerData;
const checkEveryMs = 10;

// On Linux the thread's own, not the process's: inference stays as quick as it was.
try {
  setPriority(constants.priority.PRIORITY_LOW);
} catch {
  // Where the system does not allow it, the pauses must do.
}

const mask = openMask();
const mods = {
  secretBytes: { fill: (into: Uint8Array) => void randomFillSync(into) },
  mask: mask.ok ? mask.value : undefined,
};

port.on('message', async (work: ClientWork) => {
  const done = mask.ok ? await runSteered(work) : mask;
  const stays = mask.ok && mask.value?.isOpen() === true;
  port.postMessage({ done, stays } satisfies ClientWorkerReply);
});

async function runSteered(work: ClientWork): Promise<Result<ClientDone>> {
  const stopping = new AbortController();
  // A session's run is one turn of the loop, so this is heard between two of them.
  const timer = setInterval(() => {
    while (Atomics.load(control, 0) === clientCommands.pause)
      Atomics.wait(control, 0, clientCommands.pause, 1_000);
    if (Atomics.load(control, 0) === clientCommands.stop) stopping.abort();
  }, checkEveryMs);
  const trainer = createLocalTrainer(work.graph);
  try {
    return await runClient(work, { trainer, mods }, stopping.signal);
  } catch (thrown) {
    return err(failure('internal', messageOf(thrown)));
  } finally {
    clearInterval(timer);
    await trainer.close();
  }
}

/** Undefined where this device has no identity that others can verify. */
function openMask(): Result<Mask | undefined> {
  if (identity === undefined) return ok(undefined);
  const signer = createCertificateSigner(identity.key, identity.certificate);
  if (!signer.ok) return signer;
  const verifier = createCertificateVerifier(identity.authority, systemClock.nowMs);
  if (!verifier.ok) return verifier;
  return ok(
    createMask({
      client: device,
      policy,
      cryptography: createNodeCryptography(),
      signer: signer.value,
      verifier: verifier.value,
    }),
  );
}
