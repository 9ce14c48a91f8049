// Two builds of one graph, timed in turns in one process, so that whatever else the machine does slows both alike.

import { type Clock, collect, defined, ok, type Result } from '@skerry/shared';
import type { Runtime, Session } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';

/** Median milliseconds of a run of each, in the order of the builds. Fails where one does not load, or does not run. */
export async function compareSpeed(
  builds: readonly Uint8Array[],
  feeds: TensorMap,
  runtime: Runtime,
  clock: Clock,
): Promise<Result<readonly number[]>> {
  const loaded = await Promise.all(builds.map((bytes) => runtime.load(bytes)));
  try {
    const sessions = collect(loaded);
    return sessions.ok ? await timeInTurns(sessions.value, feeds, clock) : sessions;
  } finally {
    await Promise.all(loaded.map((session) => session.ok && session.value.close()));
  }
}

async function timeInTurns(
  sessions: readonly Session[],
  feeds: TensorMap,
  clock: Clock,
): Promise<Result<readonly number[]>> {
  const times = sessions.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, session] of sessions.entries()) {
      const ms = await millisecondsOf(session, feeds, clock);
      if (!ms.ok) return ms;
      times[i]?.push(ms.value);
    }
  return ok(times.map(median));
}

/** The first is a warm-up that the median forgets. */
const rounds = 31;
const roundMs = 10;
const runsMax = 1_000;

async function millisecondsOf(
  session: Session,
  feeds: TensorMap,
  clock: Clock,
): Promise<Result<number>> {
  const start = clock.monotonicMs();
  let runs = 0;
  while (clock.monotonicMs() - start < roundMs && runs < runsMax) {
    const ran = await session.run(feeds);
    if (!ran.ok) return ran;
    runs += 1;
  }
  return ok((clock.monotonicMs() - start) / runs);
}

const median = (values: readonly number[]): number =>
  defined(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)], 'a median');
