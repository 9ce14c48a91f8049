// Two builds of one graph, timed in turns in one process, so that whatever else the machine does slows both alike.

import { type Clock, collect, defined, ok, type Result } from '@skerry/shared';
import type { Runtime, Session } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';

/** Median milliseconds of a run of each, in the order of the builds. */
export async function compareSpeed(
  builds: readonly Uint8Array[],
  feeds: TensorMap,
  runtime: Runtime,
  clock: Clock,
): Promise<Result<readonly number[]>> {
  const sessions = collect(await Promise.all(builds.map((bytes) => runtime.load(bytes))));
  if (!sessions.ok) return sessions;
  const times = builds.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, session] of sessions.value.entries())
      times[i]?.push(await millisecondsOf(session, feeds, clock));
  await Promise.all(sessions.value.map((session) => session.close()));
  return ok(times.map(median));
}

/** The first is a warm-up that the median forgets. */
const rounds = 31;
const roundMs = 10;
const runsMax = 1_000;

async function millisecondsOf(session: Session, feeds: TensorMap, clock: Clock): Promise<number> {
  const start = clock.monotonicMs();
  let runs = 0;
  while (clock.monotonicMs() - start < roundMs && runs < runsMax) {
    await session.run(feeds);
    runs += 1;
  }
  return (clock.monotonicMs() - start) / runs;
}

const median = (values: readonly number[]): number =>
  defined(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)], 'a median');
