// Whose turn it is on the accelerator. All sessions on WebGPU, whatever their threads, share the library's one device and
// one command encoder, and two runs at once end the process (onnxruntime#32561). So workers take turns, by a word of
// memory that they share: 0, or who holds it.

import type { Ort } from './ort-session.ts';

export const createTurnMemory = (): SharedArrayBuffer =>
  new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);

const nobody = 0;
/** Of one thing that another does there: a driver that hangs holds up its own worker, and no other. */
const heldMsMax = 60_000;

/** Waits so long for each other, and blocks the thread. `false`: one has not given it back. */
function takeTurn(word: Int32Array, holder: number, waitMs: number): boolean {
  for (;;) {
    const held = Atomics.compareExchange(word, 0, nobody, holder);
    if (held === nobody) return true;
    if (Atomics.wait(word, 0, held, waitMs) === 'timed-out') return false;
  }
}

/** Does nothing where somebody else has it: a worker that has died gives back what it may have held. */
export function giveTurn(memory: SharedArrayBuffer, holder: number): void {
  const word = new Int32Array(memory);
  if (Atomics.compareExchange(word, 0, holder, nobody) === holder) Atomics.notify(word, 0, 1);
}

/**
 * The library, whose sessions on WebGPU open, run and close in turn.
 * @param holder who takes them, more than 0; it does one thing at a time
 */
export function inTurns(
  ort: Ort,
  memory: SharedArrayBuffer,
  holder: number,
  waitMs = heldMsMax,
): Ort {
  const word = new Int32Array(memory);
  // Who has given up once asks again, and does not wait: behind a driver that hangs each of its sessions would.
  let patienceMs = waitMs;
  const inTurn = async <T>(act: () => Promise<T>): Promise<T> => {
    if (!takeTurn(word, holder, patienceMs)) {
      patienceMs = 0;
      throw new Error(`another holds the device, and has for ${waitMs} ms`);
    }
    patienceMs = waitMs;
    try {
      return await act();
    } finally {
      giveTurn(memory, holder);
    }
  };
  return {
    Tensor: ort.Tensor,
    InferenceSession: {
      async create(model, options) {
        if (!options.executionProviders?.includes('webgpu'))
          return ort.InferenceSession.create(model, options);
        const session = await inTurn(() => ort.InferenceSession.create(model, options));
        return {
          inputMetadata: session.inputMetadata,
          outputMetadata: session.outputMetadata,
          run: (feeds) => inTurn(() => session.run(feeds)),
          release: () => inTurn(() => session.release()),
        };
      },
    },
  };
}
