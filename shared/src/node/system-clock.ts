import type { Clock } from '../clock.ts';

/** What setTimeout takes; anything longer it would do at once. */
const timeoutMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    let timer: ReturnType<typeof setTimeout>;
    const arm = (leftMs: number): void => {
      timer =
        leftMs > timeoutMsMax
          ? setTimeout(() => arm(leftMs - timeoutMsMax), timeoutMsMax)
          : setTimeout(action, leftMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
