// The collections that the cloud wants this device to hold: read from its twin, taken one after the other, and told there
// how far they are. What is wanted no longer goes with its bytes. A wish is all that a twin is: what is taken was signed.

import {
  type Clock,
  err,
  type Failure,
  failure,
  type Log,
  nameSchema,
  ok,
  type Result,
  type Timer,
} from '@skerry/shared';
import {
  canonicalJson,
  collectionsKey,
  type FollowReport,
  followReportSchema,
  type Subscription,
  subscriptionSchema,
  subscriptionsMax,
} from '@skerry/sync-protocol/collections';
import type { DocumentView } from '@skerry/sync-protocol/documents';
import {
  forgetAll,
  type SnapshotBlobs,
  type Taken,
  type TakePorts,
  takeSnapshot,
} from './take-snapshot.ts';

export interface FollowingPorts extends Omit<TakePorts, 'signal' | 'trust'> {
  /** Absent: this device believes nobody. */
  readonly trust?: TakePorts['trust'] | undefined;
  readonly twin: {
    read(): Promise<Result<DocumentView>>;
    patch(patch: unknown): Promise<Result<DocumentView>>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

export interface Following {
  /** At the start. */
  wake(): void;
  /** The twin has changed, in whichever half. */
  twinChanged(): void;
  /** All that the twin says is dealt with, or waits. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

const retryAfterMs = 30_000;
/** What waiting does not mend, unless somebody else does. */
const refusedAfterMs = 600_000;
const reasonCharactersMax = 512;

export function createFollowing(ports: FollowingPorts): Following {
  const { clock, log, twin } = ports;
  const closing = new AbortController();
  let running: Promise<void> | undefined;
  let again = false;
  let seen = '';
  let timer: Timer | undefined;
  let retryAtMs = 0;
  let taking:
    | { readonly name: string; readonly manifest: string; readonly abort: AbortController }
    | undefined;

  const turn = async (): Promise<void> => {
    const view = await twin.read();
    if (!view.ok) return retryIn(retryAfterMs);
    seen = wishOf(view.value);
    const { wanted, wrong } = wantedOf(view.value);
    const reports = reportsOf(view.value);
    for (const [name, report] of reports) {
      if (wanted.has(name) || wrong.has(name)) continue;
      const removed = await leave(name, report);
      if (removed.ok) await tell(name, null);
      else retryIn(retryAfterMs);
    }
    for (const [name, reason] of wrong)
      await settle(name, err(failure('malformed_message', reason)));
    for (const [name, subscription] of wanted) {
      if (closing.signal.aborted) return;
      const before = reports.get(name);
      const taken = await take(name, subscription, before);
      // What stands already was told, unless a crash or a full outbox kept it.
      if (!taken.ok || taken.value !== undefined || before?.state !== 'held')
        await settle(name, taken);
    }
  };

  const take = async (
    name: string,
    subscription: Subscription,
    before: FollowReport | undefined,
  ): Promise<Result<Taken | undefined>> => {
    const { trust } = ports;
    if (trust === undefined)
      return err(failure('untrusted', 'this device has no root of trust: --update-root'));
    // A try in vain after another says nothing new: a twin remembers each change.
    const isNew = before === undefined || before.state === 'held';
    if (isNew && before?.sequence !== subscription.sequence) {
      const told = await tell(name, await describe(name, 'fetching', null));
      if (!told.ok) return told;
    }
    const abort = new AbortController();
    taking = { name, manifest: subscription.manifest, abort };
    const signal = AbortSignal.any([closing.signal, abort.signal]);
    const asked = { ...ports, trust, signal, blobs: droppingBlobs(ports.blobs, signal) };
    // Of an earlier embedder's vectors nothing can be read any more. [LIB11]
    const opened = await ports.library.collections.open(name);
    if (!opened.ok && opened.error.code === 'invalid_config' && isOurs(before))
      await ports.library.collections.remove(name);
    const taken = await takeSnapshot(name, subscription, asked, before?.state === 'held');
    taking = undefined;
    return taken;
  };

  /** With all that is in it, and what quotes it. */
  const leave = async (name: string, report: FollowReport): Promise<Result<void>> => {
    const { collections } = ports.library;
    const thread = await collections.open(name);
    if (!thread.ok && thread.error.code === 'not_found') return ok(undefined);
    if (thread.ok) {
      const held = await thread.value.snapshot();
      if (!held.ok) return held;
      const staged = await thread.value.staged();
      if (!staged.ok) return staged;
      // One of this device's own, for which the cloud's was refused.
      if (held.value === undefined && staged.value.length === 0) return ok(undefined);
      const listed = await thread.value.list({ principals: 'all' });
      if (!listed.ok) return listed;
      const uris = listed.value.map(({ uri }) => uri);
      const forgotten = await forgetAll(name, uris, thread.value, ports);
      if (!forgotten.ok) return forgotten;
    } else if (thread.error.code !== 'invalid_config' || !isOurs(report)) return thread;
    const removed = await collections.remove(name);
    if (removed.ok) log.info({ collection: name }, 'a collection of the cloud’s has gone');
    return removed.ok ? ok(undefined) : removed;
  };

  const settle = async (name: string, taken: Result<Taken | undefined>): Promise<void> => {
    if (closing.signal.aborted) return;
    if (taken.ok) {
      const { movedBytes = 0, savedBytes = 0, embedded = 0, answers = null } = taken.value ?? {};
      const report = await describe(name, 'held', null);
      log.info({ collection: name, movedBytes, savedBytes, embedded }, 'a snapshot stands');
      await tell(name, { ...report, movedBytes, savedBytes, embedded, answers });
      return;
    }
    const { code, message, retryable } = taken.error;
    log.warn({ collection: name, code }, `a snapshot was not taken: ${message}`);
    await tell(name, await describe(name, retryable ? 'waiting' : 'refused', taken.error));
    retryIn(retryable ? retryAfterMs : refusedAfterMs);
  };

  /** As it stands now. */
  const describe = async (
    name: string,
    state: FollowReport['state'],
    why: Failure | null,
  ): Promise<FollowReport> => {
    const thread = await ports.library.collections.open(name);
    const held = thread.ok ? await thread.value.snapshot() : thread;
    const stats = thread.ok ? await thread.value.stats({ principals: 'all' }) : thread;
    const standing = held.ok ? held.value : undefined;
    return {
      state,
      sequence: standing?.name.sequence ?? null,
      root: standing?.name.root ?? null,
      documents: standing !== undefined && stats.ok ? stats.value.documents : 0,
      movedBytes: 0,
      savedBytes: 0,
      embedded: 0,
      answers: null,
      reason: why === null ? null : `${why.code}: ${why.message}`.slice(0, reasonCharactersMax),
    };
  };

  const tell = async (name: string, report: FollowReport | null): Promise<Result<void>> => {
    const view = await twin.read();
    if (!view.ok) return view;
    const before = reportsOf(view.value).get(name);
    if (report === null ? before === undefined : isSame(before, report)) return ok(undefined);
    const patched = await twin.patch({ reported: { [collectionsKey]: { [name]: report } } });
    return patched.ok ? ok(undefined) : patched;
  };

  const retryIn = (ms: number): void => {
    const atMs = clock.monotonicMs() + ms;
    if (timer !== undefined && retryAtMs <= atMs) return;
    timer?.cancel();
    retryAtMs = atMs;
    timer = clock.after(ms, () => {
      timer = undefined;
      wake();
    });
  };

  const run = async (): Promise<void> => {
    do {
      again = false;
      await turn();
    } while (again && !closing.signal.aborted);
    running = undefined;
  };

  /** What is taken just now, and is wanted no longer or in another version, must not hold up what is. */
  const review = async (): Promise<void> => {
    const view = await twin.read();
    // Our own word on it is no news.
    if (!view.ok || closing.signal.aborted || wishOf(view.value) === seen) return;
    const { wanted } = wantedOf(view.value);
    if (taking !== undefined && wanted.get(taking.name)?.manifest !== taking.manifest)
      taking.abort.abort();
    wake();
  };

  const wake = (): void => {
    if (closing.signal.aborted) return;
    again = true;
    running ??= run();
  };

  return {
    wake,
    twinChanged: () => void review(),
    idle: () => running ?? Promise.resolve(),
    async close() {
      closing.abort();
      timer?.cancel();
      await running;
    },
  };
}

const isOurs = (report: FollowReport | undefined): boolean => (report?.sequence ?? null) !== null;

const isSame = (before: FollowReport | undefined, report: FollowReport): boolean =>
  before !== undefined && canonicalJson(before) === canonicalJson(report);

function droppingBlobs(blobs: SnapshotBlobs, signal: AbortSignal): SnapshotBlobs {
  return {
    ...blobs,
    async fetch(ref) {
      if (signal.aborted) return err(failure('unavailable', 'nobody wants it any longer'));
      const drop = (): void => blobs.drop(ref);
      signal.addEventListener('abort', drop, { once: true });
      const fetched = await blobs.fetch(ref);
      signal.removeEventListener('abort', drop);
      return fetched;
    },
  };
}

type Json = Readonly<Record<string, unknown>>;

const under = (value: unknown, key: string): Json => {
  const found = typeof value === 'object' && value !== null ? (value as Json)[key] : undefined;
  return typeof found === 'object' && found !== null ? (found as Json) : {};
};

const wishOf = ({ value }: DocumentView): string =>
  canonicalJson(under(value['desired'], collectionsKey));

/** `wrong`: with what is the matter. */
function wantedOf({ value }: DocumentView): {
  readonly wanted: ReadonlyMap<string, Subscription>;
  readonly wrong: ReadonlyMap<string, string>;
} {
  const wanted = new Map<string, Subscription>();
  const wrong = new Map<string, string>();
  for (const [name, each] of Object.entries(under(value['desired'], collectionsKey))) {
    if (!nameSchema.safeParse(name).success) continue;
    const parsed = subscriptionSchema.safeParse(each);
    // What stands here stays: nobody has said that it shall go.
    if (wanted.size >= subscriptionsMax)
      wrong.set(name, `more than ${subscriptionsMax} collections: this one is not followed`);
    else if (parsed.success) wanted.set(name, parsed.data);
    else wrong.set(name, 'this agent does not understand what the twin says of it');
  }
  return { wanted, wrong };
}

function reportsOf({ value }: DocumentView): ReadonlyMap<string, FollowReport> {
  const reports = Object.entries(under(value['reported'], collectionsKey)).flatMap(
    ([name, each]) => {
      const parsed = followReportSchema.safeParse(each);
      return parsed.success ? [[name, parsed.data] as const] : [];
    },
  );
  return new Map(reports);
}
