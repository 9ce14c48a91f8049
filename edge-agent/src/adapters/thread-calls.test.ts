import { ok, type Result } from '@skerry/shared';
import { expect, it, vi } from 'vitest';
import { type CallThread, createThreadCalls } from './thread-calls.ts';

/** Threads that do what they are told: answer, or not. */
function createThreads(options: { waitingMax?: number; waitMsMax?: number } = {}) {
  const started: {
    posted: string[];
    reply: (result: Result<unknown>) => void;
    exit: () => void;
  }[] = [];
  const calls = createThreadCalls<string>({
    ...options,
    subject: 'collections',
    callMsMax: 1_000,
    start(onReply, onExit) {
      const thread = { posted: [] as string[], reply: onReply, exit: onExit };
      started.push(thread);
      const port: CallThread<string> = {
        post: (message) => void thread.posted.push(message),
        hold() {},
        terminate: async () => onExit(),
      };
      return port;
    },
  });
  return { calls, started };
}

it('[LIB34] a call’s time begins when it begins, and only the one that is stuck fails', async () => {
  vi.useFakeTimers();
  try {
    const { calls, started } = createThreads();
    const stuck = calls.call('stuck');
    const behind = [calls.call('second'), calls.call('third')];
    await vi.advanceTimersByTimeAsync(999);
    expect(started[0]?.posted).toEqual(['stuck']);
    await vi.advanceTimersByTimeAsync(1);
    expect(await stuck).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(started).toHaveLength(2);
    // What the thread before says now is of no call.
    started[0]?.reply(ok('late'));
    await vi.advanceTimersByTimeAsync(900);
    started[1]?.reply(ok(2));
    await vi.advanceTimersByTimeAsync(900);
    started[1]?.reply(ok(3));
    expect(await Promise.all(behind)).toEqual([ok(2), ok(3)]);
    expect(started[1]?.posted).toEqual(['second', 'third']);
  } finally {
    vi.useRealTimers();
  }
});

it('[LIB34] a thread that ends fails the call it had begun, and the next go to another', async () => {
  const { calls, started } = createThreads();
  const [first, second] = [calls.call('first'), calls.call('second')];
  started[0]?.exit();
  expect(await first).toMatchObject({ error: { code: 'unavailable' } });
  started[1]?.reply(ok('done'));
  expect(await second).toEqual(ok('done'));
});

it('[LIB34] so many wait, and so long: more are refused as an overload', async () => {
  vi.useFakeTimers();
  try {
    const { calls, started } = createThreads({ waitingMax: 2, waitMsMax: 300 });
    const first = calls.call('first');
    const second = calls.call('second');
    const third = calls.call('third');
    expect(await calls.call('fourth')).toMatchObject({ error: { code: 'overloaded' } });
    await vi.advanceTimersByTimeAsync(300);
    expect(await second).toMatchObject({ error: { code: 'overloaded' } });
    expect(await third).toMatchObject({ error: { code: 'overloaded' } });
    started[0]?.reply(ok(1));
    expect(await first).toEqual(ok(1));
    expect(started[0]?.posted).toEqual(['first']);
  } finally {
    vi.useRealTimers();
  }
});

it('[LIB34] once closed it begins nothing but its last call', async () => {
  const { calls, started } = createThreads();
  const [first, second] = [calls.call('first'), calls.call('second')];
  const closed = calls.close('closeAll');
  expect(await second).toMatchObject({ error: { code: 'unavailable' } });
  started[0]?.reply(ok(1));
  expect(await first).toEqual(ok(1));
  expect(started[0]?.posted).toEqual(['first', 'closeAll']);
  started[0]?.reply(ok(undefined));
  await closed;
  expect(await calls.call('late')).toMatchObject({ error: { code: 'unavailable' } });
});
