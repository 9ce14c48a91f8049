// Several upstreams as one: chooses, asks, and asks another where one could not answer. All tries share one deadline. A
// second try at the same tier is paid from retry tokens; falling back to the next tier is not, for it takes load away.
// Tensors, which may be computed twice, are sent to a second upstream of the tier where the first one takes its time.

import {
  type Clock,
  err,
  type Failure,
  failure,
  messageOf,
  type Random,
  type Result,
} from '@skerry/shared';
import {
  type Breaker,
  type Bulkhead,
  createBreaker,
  createBulkhead,
  createRetryTokens,
  hedged,
  withDeadline,
} from '@skerry/shared/resilience';
import { type Balancing, chooseUpstream } from './choose-upstream.ts';
import { createHedgeBudget } from './hedge-budget.ts';
import {
  freshOutlier,
  isEjected,
  mayEject,
  type OutlierEvent,
  type OutlierState,
  transitionOutlier,
} from './outlier.ts';
import type { Terms, Upstream } from './upstream.ts';

export interface PoolMember {
  readonly upstream: Upstream;
  /** Our names of the models that it answers for, and its own; '*' is every name as it is. */
  readonly models: Readonly<Record<string, string>>;
  /** Of '*', those that it has, where that is known here. */
  readonly has?: (model: string) => boolean;
  readonly tier: number;
  readonly weight: number;
  readonly concurrentMax: number;
  /** In this process: there is nothing that could recover while it is left alone. */
  readonly always?: boolean;
}

type Method = 'infer' | 'chat' | 'embed';

/** `hold`: for an answer that goes on after it has begun. The upstream is busy until it is settled, once. */
type Call<T> = (
  upstream: Upstream,
  model: string,
  terms: Terms,
  hold: () => (ended: Result<unknown>) => void,
) => Promise<Result<T>>;

export interface UpstreamPool {
  /** Whether one of them would be asked now. */
  isAvailable(model: string, method: Method): boolean;
  /** `call` asks one upstream, which has `method`, by its own name for the model. */
  ask<T>(model: string, method: Method, terms: Terms, call: Call<T>): Promise<Result<T>>;
  /** Our names of the models that those who have one of `methods` answer for; of who takes any name, what it lists. */
  models(methods: readonly Method[], terms: Terms): Promise<readonly string[]>;
  status(): readonly UpstreamStatus[];
  close(): void;
}

export interface UpstreamStatus {
  readonly name: string;
  readonly available: boolean;
  readonly breaker: ReturnType<Breaker['state']>;
  readonly ejected: boolean;
  readonly underWay: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Calls that another had been asked before. */
  readonly hedges: number;
}

export interface PoolConfig {
  readonly balancing: Balancing;
  readonly healthEveryMs: number;
  readonly healthTimeoutMs: number;
  /** Calls that may be sent to two, as a share of all. */
  readonly hedgeShareMax: number;
}

export const upstreamPoolDefaults: PoolConfig = {
  balancing: 'least-loaded',
  healthEveryMs: 10_000,
  healthTimeoutMs: 2_000,
  hedgeShareMax: 0.05,
};

/** Who had less time than this to answer, or than is usual where that is known, is not to blame for being late. */
const fairMs = 1_000;

interface Member extends PoolMember {
  readonly breaker: Breaker;
  readonly bulkhead: Bulkhead;
  outlier: OutlierState;
  healthy: boolean;
  succeeded: number;
  failed: number;
  hedges: number;
}

export interface PoolPorts {
  readonly clock: Clock;
  readonly random: Random;
}

export function createUpstreamPool(
  members: readonly PoolMember[],
  config: PoolConfig,
  { clock, random }: PoolPorts,
): UpstreamPool {
  const pool = members.map(
    (member): Member => ({
      ...member,
      breaker: createBreaker(clock),
      bulkhead: createBulkhead(member.upstream.name, member.concurrentMax),
      outlier: freshOutlier,
      healthy: true,
      succeeded: 0,
      failed: 0,
      hedges: 0,
    }),
  );
  const tokens = createRetryTokens();
  const budget = createHedgeBudget(config.hedgeShareMax);
  const closing = new AbortController();

  const heard = (member: Member, event: OutlierEvent): void => {
    const nowMs = clock.monotonicMs();
    const ejected = pool.filter(({ outlier }) => isEjected(outlier, nowMs)).length;
    const may = mayEject(ejected, pool.length);
    member.outlier = transitionOutlier(member.outlier, event, nowMs, may);
  };
  const isAvailable = (member: Member): boolean =>
    member.bulkhead.inside() < member.concurrentMax &&
    (member.always === true ||
      (member.healthy &&
        !isEjected(member.outlier, clock.monotonicMs()) &&
        !member.breaker.refuses()));

  const offering = (model: string, method: Method) =>
    pool.filter(
      (member) => member.upstream[method] !== undefined && theirs(member, model) !== undefined,
    );

  const attempt = async <T>(
    member: Member,
    model: string,
    untilMs: number,
    call: Call<T>,
    signal?: AbortSignal,
  ): Promise<Result<T>> => {
    const place = member.bulkhead.enter();
    if (!place.ok) return place;
    member.breaker.admits();
    const startedMs = clock.monotonicMs();
    const leftMs = untilMs - startedMs;
    const usualMs = budget.delayMs(model);
    let held = false;
    let settled = false;
    const settle = (ended: Result<unknown>): void => {
      if (settled) return;
      settled = true;
      place.value.leave();
      if (!ended.ok && signal?.aborted) return;
      // It has shown neither that it can answer nor that it cannot: a probe that ends so has proven nothing.
      const hurried = leftMs < (usualMs ?? fairMs);
      if (!ended.ok && hurried && ended.error.code === 'deadline_exceeded') return;
      const verdict = !ended.ok && isTheirFault(ended.error) ? 'failed' : 'succeeded';
      member[verdict] += 1;
      member.breaker[verdict]();
      heard(member, verdict);
      tokens[verdict]();
    };
    const hold = () => {
      held = true;
      return settle;
    };
    const name = theirs(member, model) ?? model;
    const ask = (until: AbortSignal) =>
      call(member.upstream, name, { leftMs, signal: until }, hold);
    const result = await withDeadline(clock, leftMs, ask, signal).catch((thrown) => {
      settled = true; // A bug says nothing of who was asked, and keeps no place.
      place.value.leave();
      throw thrown;
    });
    const tookMs = clock.monotonicMs() - startedMs;
    // Who was cancelled for another has taken at least so long.
    const lost = signal?.aborted === true && tookMs > (usualMs ?? Number.POSITIVE_INFINITY);
    if (result.ok || lost) budget.observe(model, tookMs);
    if (!held || !result.ok) settle(result);
    return result;
  };

  const choose = (model: string, method: Method, asked: ReadonlySet<Member>, tier?: number) => {
    const candidates = offering(model, method)
      .filter((member) => !asked.has(member) && (tier ?? member.tier) === member.tier)
      .map((member) => ({
        member,
        tier: member.tier,
        weight: member.weight,
        underWay: member.bulkhead.inside(),
        available: isAvailable(member),
      }));
    return chooseUpstream(candidates, config.balancing, random.next())?.member;
  };

  /** Asks `first`, and one more of its tier where it takes longer than nearly all do. Adds whom it has asked to `asked`. */
  const askHedged = <T>(
    first: Member,
    model: string,
    untilMs: number,
    call: Call<T>,
    asked: Set<Member>,
    signal: AbortSignal | undefined,
  ): Promise<Result<T>> => {
    const delayMs = budget.delayMs(model);
    budget.called();
    if (delayMs === undefined) return attempt(first, model, untilMs, call, signal);
    let second: Member | undefined;
    const admits = (): boolean => {
      const other = choose(model, 'infer', asked, first.tier);
      if (other === undefined || !tokens.admits() || !budget.admits()) return false;
      other.hedges += 1;
      asked.add(other);
      second = other;
      return true;
    };
    const ask = (place: 0 | 1, until: AbortSignal) =>
      attempt(place === 1 && second ? second : first, model, untilMs, call, until);
    return hedged(clock, { delayMs, admits }, ask, signal);
  };

  const check = async (): Promise<void> => {
    const { healthTimeoutMs, healthEveryMs } = config;
    const looks = pool.map(async (member) => {
      const terms = { leftMs: healthTimeoutMs, signal: closing.signal };
      // What meets a bug in there is not well, and is looked at again.
      const look = async () => member.upstream.health(terms);
      const well = await look().catch((thrown) => err(failure('internal', messageOf(thrown))));
      member.healthy = well.ok;
      if (well.ok) heard(member, 'healthy');
    });
    await Promise.all(looks);
    if (!closing.signal.aborted) timer = clock.after(healthEveryMs, () => void check());
  };
  let timer = clock.after(config.healthEveryMs, () => void check());

  return {
    isAvailable: (model, method) => offering(model, method).some(isAvailable),
    async models(methods, terms) {
      const named = pool
        .filter(({ upstream }) => methods.some((method) => upstream[method] !== undefined))
        .map(async ({ upstream, models: { '*': any, ...ours } }) => {
          const listed = any === undefined ? undefined : await upstream.list?.(terms);
          return [...Object.keys(ours), ...(listed?.ok ? listed.value : [])];
        });
      return [...new Set((await Promise.all(named)).flat())];
    },
    async ask(model, method, terms, call) {
      const untilMs = clock.monotonicMs() + terms.leftMs;
      const asked = new Set<Member>();
      let last: Failure | undefined;
      let lastTier: number | undefined;
      for (;;) {
        const member = choose(model, method, asked);
        if (member === undefined)
          return err(last ?? noneFor(model, offering(model, method).length > 0));
        if (member.tier === lastTier && !tokens.admits() && last !== undefined) {
          for (const other of pool) if (other.tier === lastTier) asked.add(other);
          continue;
        }
        asked.add(member);
        lastTier = member.tier;
        const result =
          method === 'infer'
            ? await askHedged(member, model, untilMs, call, asked, terms.signal)
            : await attempt(member, model, untilMs, call, terms.signal);
        if (result.ok || !mayAskAnother(result.error)) return result;
        if (terms.signal?.aborted || clock.monotonicMs() >= untilMs) return result;
        // Who might answer later says more than who never will.
        if (result.error.retryable || !last?.retryable) last = result.error;
      }
    },
    status: () =>
      pool.map((member) => ({
        name: member.upstream.name,
        available: isAvailable(member),
        breaker: member.breaker.state(),
        ejected: isEjected(member.outlier, clock.monotonicMs()),
        underWay: member.bulkhead.inside(),
        succeeded: member.succeeded,
        failed: member.failed,
        hedges: member.hedges,
      })),
    close() {
      closing.abort();
      timer.cancel();
    },
  };
}

const theirs = ({ models, has }: PoolMember, model: string): string | undefined => {
  if (Object.hasOwn(models, model)) return models[model];
  return models['*'] === undefined || has?.(model) === false ? undefined : model;
};

const noneFor = (model: string, isOffered: boolean): Failure =>
  isOffered
    ? failure('unavailable', `no upstream for '${model}' is available`)
    : failure('model_not_found', `no upstream has a model '${model}'`);

/** What another upstream may know, or may be able to do now. */
const mayAskAnother = ({ code, retryable }: Failure): boolean =>
  retryable ||
  code === 'not_found' ||
  code === 'model_not_found' ||
  code === 'unauthenticated' ||
  code === 'permission_denied';

/** A question that nobody could answer says nothing about who was asked. */
const isTheirFault = ({ retryable, code }: Failure): boolean =>
  retryable || code === 'unauthenticated' || code === 'permission_denied';
