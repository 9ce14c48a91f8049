// A session on the first of several execution providers that opens on this machine, computes what the cpu does, and is no
// slower than it. One that is not so is no fault of the bundle: the next is taken, and the session says why.
//
// The cpu's own session comes first: it says whether the bytes are a model at all, and it is what the others are held
// against. It is closed once another has taken its place, and opened again where that one fails in a run.

import { createRandom, err, failure, ok, type Result } from '@skerry/shared/plain';
import { noiseFeeds } from '../onnx/noise-feeds.ts';
import type { TensorMap } from '../tensor.ts';
import { compareOutputs, differenceMax } from './compare-outputs.ts';
import type { Execution, ExecutionProvider, Refusal } from './execution-provider.ts';
import { createOrtSession, type Ort, type OrtSessionOptions } from './ort-session.ts';
import type { Session } from './runtime.ts';

export interface ProviderPorts {
  /** Without it nobody is timed, and a slower provider is taken too. */
  readonly nowMs?: (() => number) | undefined;
  /** The session has been left for the cpu: a run on what it was on has failed, and on the cpu it has not. */
  onLeft?(execution: Execution): void;
}

const noiseSeed = 1;
/** Of one that is timed; the fastest counts, for whatever else the machine does only slows. */
const timedRuns = 3;
/** After it no further one begins: a driver in software takes seconds for each. */
const timedMsMax = 1_000;

/** Inputs, and what they give on the cpu. */
interface Expected {
  readonly feeds: TensorMap;
  readonly outputs: TensorMap;
}

/** Fails with `invalid_bundle` where the cpu cannot open it. */
export async function openOnProviders(
  ort: Ort,
  model: Uint8Array,
  providers: readonly ExecutionProvider[],
  options: OrtSessionOptions = {},
  ports: ProviderPorts = {},
): Promise<Result<Session>> {
  const onCpu = () => createOrtSession(ort, model, 'cpu', options);
  const reference = await onCpu();
  if (!reference.ok) return reference;
  const wanted = providers.filter((provider) => provider !== 'cpu');
  if (wanted.length === 0) return reference;
  // What the cpu gives, and how fast, is asked of it once a provider has opened: most machines have none.
  let expected: readonly Expected[] | undefined;
  let cpuMs: number | undefined;
  const timeOf = async (session: Session): Promise<number> => {
    const timed = expected?.at(-1)?.feeds;
    return ports.nowMs && timed ? fastestRun(session, timed, ports.nowMs) : 0;
  };
  const refused: Refusal[] = [];
  for (const provider of wanted) {
    const opened = await createOrtSession(ort, model, provider, options);
    if (!opened.ok) {
      refused.push({ provider, reason: shortened(opened.error.message) });
      continue;
    }
    expected ??= await expectedOf(reference.value, options);
    cpuMs ??= await timeOf(reference.value);
    const difference = await differenceFrom(expected, opened.value);
    const ms = difference.ok ? await timeOf(opened.value) : 0;
    if (difference.ok && ms <= cpuMs) {
      await reference.value.close();
      const execution = { provider, refused, difference: difference.value };
      return ok(leavable(opened.value, execution, onCpu, ports));
    }
    await opened.value.close();
    const reason = difference.ok
      ? `it is slower: ${ms.toFixed(2)} ms a run, the cpu ${cpuMs.toFixed(2)}`
      : difference.error.message;
    refused.push({ provider, reason });
  }
  const execution: Execution = { provider: 'cpu', refused };
  return ok({ ...reference.value, execution: () => execution });
}

/** Of the samples, and of noise where there are none, those that the cpu itself can run. */
async function expectedOf(
  session: Session,
  { samples = [], rows = 1 }: OrtSessionOptions,
): Promise<readonly Expected[]> {
  const expected: Expected[] = [];
  for (const feeds of samples.length > 0 ? samples : noiseOf(session, rows)) {
    const ran = await session.run(feeds);
    if (ran.ok) expected.push({ feeds, outputs: ran.value });
  }
  return expected;
}

function noiseOf({ inputs }: Session, rows: number): readonly TensorMap[] {
  const random = createRandom(noiseSeed);
  const feeds = [...new Set([1, rows])].map((count) => noiseFeeds(inputs, random, count));
  return feeds.flatMap((each) => (each.ok ? [each.value] : []));
}

async function fastestRun(
  session: Session,
  feeds: TensorMap,
  nowMs: () => number,
): Promise<number> {
  const untilMs = nowMs() + timedMsMax;
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < timedRuns && (run === 0 || nowMs() < untilMs); run++) {
    const startedMs = nowMs();
    await session.run(feeds);
    fastestMs = Math.min(fastestMs, nowMs() - startedMs);
  }
  return fastestMs;
}

/** The largest one; fails where the session is not to be trusted. */
async function differenceFrom(
  expected: readonly Expected[],
  session: Session,
): Promise<Result<number>> {
  const refuse = (reason: string) => err(failure('runtime_failed', reason));
  if (expected.length === 0) return refuse('there is no input to check it with');
  let worst = 0;
  for (const { feeds, outputs } of expected) {
    const ran = await session.run(feeds);
    if (!ran.ok) return refuse(`its first run failed: ${shortened(ran.error.message)}`);
    worst = Math.max(worst, compareOutputs(outputs, ran.value));
  }
  return worst <= differenceMax
    ? ok(worst)
    : refuse(`${worst.toPrecision(2)} of the largest value off the cpu, at most ${differenceMax}`);
}

/**
 * A device may be lost, or run out of memory, in any run: then the cpu answers, and keeps the session. Where the cpu fails as
 * well the inputs are to blame, and it stands by for the next such run.
 */
function leavable(
  first: Session,
  started: Execution,
  onCpu: () => Promise<Result<Session>>,
  { onLeft }: ProviderPorts,
): Session {
  let session = first;
  let execution = started;
  let standby: Promise<Result<Session>> | undefined;
  let closed = false;
  const openStandby = async (): Promise<Result<Session>> => {
    standby ??= onCpu();
    const opened = await standby;
    if (!opened.ok) standby = undefined;
    return opened;
  };
  const leave = async (reason: string): Promise<void> => {
    const { provider, refused } = execution;
    execution = { provider: 'cpu', refused: [...refused, { provider, reason }] };
    onLeft?.(execution);
    await first.close();
  };
  return {
    ...first,
    execution: () => execution,
    async run(feeds) {
      const ran = await session.run(feeds);
      if (ran.ok || ran.error.code !== 'runtime_failed' || session !== first) return ran;
      const opened = await openStandby();
      if (!opened.ok || closed) return ran;
      const again = await opened.value.run(feeds);
      if (again.ok && session === first) {
        session = opened.value;
        await leave(shortened(`a run failed: ${ran.error.message}`));
      }
      return again;
    },
    async close() {
      closed = true;
      await first.close();
      const opened = await standby;
      if (opened?.ok) await opened.value.close();
    },
  };
}

const reasonCharsMax = 300;
/** What a message of the library says, without where in its source it said so. */
function shortened(message: string): string {
  const line = message.trim().split('\n')[0] ?? '';
  return (/ was (?:true|false)\. (.+)$/.exec(line)?.[1] ?? line).slice(0, reasonCharsMax);
}
