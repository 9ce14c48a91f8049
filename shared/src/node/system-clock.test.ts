import { expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from './system-clock.ts';

const longestMs = 2 ** 31 - 1; // That one timeout of Node's may have.

it('a timer goes off after its delay, however long that is, and not before', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  for (const delayMs of [1, 1_000, longestMs, longestMs + 1, 3 * longestMs]) {
    const action = vi.fn();
    systemClock.after(delayMs, action);
    vi.advanceTimersByTime(delayMs - 1);
    expect(action).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1);
    expect(action).toHaveBeenCalledTimes(1);
  }
});

it('a timer that is cancelled never goes off, also past the longest timeout', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const action = vi.fn();
  const cancelled = systemClock.after(2 * longestMs, action);
  systemClock.after(Number.POSITIVE_INFINITY, action).cancel();
  vi.advanceTimersByTime(longestMs + 1);
  cancelled.cancel();
  vi.advanceTimersByTime(2 * longestMs);
  expect(action).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});
