// One life of a simulated process. Everything that enters it (a timer, a message, a call) enters through `enter`, so
// that when it dies, in the middle of a call if need be, nothing of it runs any more. Its disk survives it.

import type { Clock } from '@skerry/shared';

/** Unwinds the stack of a process that has just died. Nobody but `enter` catches it. */
class Crash extends Error {
  override readonly name = 'Crash';
}

export interface Process {
  /** Its timers die with it. */
  readonly clock: Clock;
  alive(): boolean;
  /** Runs `action` unless the process is dead. */
  enter(action: () => void): void;
  kill(): void;
  /** Dies in the middle of a synchronous call. */
  crash(): never;
}

export function startProcess(world: Clock, onDeath: () => void): Process {
  let alive = true;
  const enter = (action: () => void): void => {
    if (!alive) return;
    try {
      action();
    } catch (thrown) {
      if (!(thrown instanceof Crash)) throw thrown;
    }
  };
  const kill = (): void => {
    if (!alive) return;
    alive = false;
    onDeath();
  };
  return {
    clock: {
      nowMs: world.nowMs,
      monotonicMs: world.monotonicMs,
      after: (delayMs, action) => world.after(delayMs, () => enter(action)),
    },
    alive: () => alive,
    enter,
    kill,
    crash() {
      kill();
      throw new Crash('the process died');
    },
  };
}
