// Requests that come at their times whatever the server does, and a latency that counts from the time that the request was
// due, so that a server which falls behind cannot hide it. Ends as soon as it is lost: an overloaded server is not waited for.

export interface OpenLoop {
  readonly perSecond: number;
  readonly windowMs: number;
  /** Within which all but `lateShareMax` must be answered. */
  readonly latencyMsMax: number;
  readonly lateShareMax: number;
}

const tickMs = 1;

/**
 * The latencies, or undefined where too many were late, failed, or are under way for too long.
 * @param send whether request `i` was answered
 */
export async function openLoop(
  { perSecond, windowMs, latencyMsMax, lateShareMax }: OpenLoop,
  send: (i: number) => Promise<boolean>,
): Promise<readonly number[] | undefined> {
  const total = Math.round((perSecond * windowMs) / 1_000);
  const lateMax = Math.floor(total * lateShareMax);
  const latenciesMs: number[] = [];
  /** When each under way was due; the oldest first. */
  const underWay = new Map<number, number>();
  let failed = 0;
  let late = 0;
  const startedMs = performance.now();
  const start = (i: number): void => {
    const dueMs = startedMs + (1_000 * i) / perSecond;
    underWay.set(i, dueMs);
    void send(i).then((answered) => {
      const latencyMs = performance.now() - dueMs;
      underWay.delete(i);
      if (!answered) failed += 1;
      else if (latencyMs > latencyMsMax) late += 1;
      latenciesMs.push(latencyMs);
    });
  };
  const overdue = (): number => {
    const nowMs = performance.now();
    let count = 0;
    for (const dueMs of underWay.values()) {
      if (nowMs - dueMs <= latencyMsMax) break;
      count += 1;
    }
    return count;
  };
  for (let sent = 0; latenciesMs.length < total; ) {
    const due = Math.floor(((performance.now() - startedMs) * perSecond) / 1_000);
    for (; sent < Math.min(due, total); sent++) start(sent);
    if (failed > 0 || late + overdue() > lateMax) return undefined;
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  return failed > 0 || late > lateMax ? undefined : latenciesMs;
}
