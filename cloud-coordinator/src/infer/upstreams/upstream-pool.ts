// Several upstreams as one: chooses, asks, and asks another where one could not answer. All tries share one deadline. A
// second try at the same tier is paid from retry tokens; falling back to the next tier is not, for it takes load away.

import { type Clock, err, type Failure, failure, type Random, type Result } from '@skerry/shared';
import {
  type Breaker,
  type Bulkhead,
  createBreaker,
  createBulkhead,
  createRetryTokens,
  withDeadline,
} from '@skerry/shared/resilience';
import { type Balancing, chooseUpstream } from './choose-upstream.ts';
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
  readonly tier: number;
  readonly weight: number;
  readonly concurrentMax: number;
  /** In this process: there is nothing that could recover while it is left alone. */
  readonly always?: boolean;
}

export interface UpstreamPool {
  /** Whether anybody answers for the model, by what they can do. */
  offers(model: string, method: 'infer' | 'chat' | 'embed'): boolean;
  /** `call` asks one upstream, which has `method`, by its own name for the model. */
  ask<T>(
    model: string,
    method: 'infer' | 'chat' | 'embed',
    terms: Terms,
    call: (upstream: Upstream, model: string, terms: Terms) => Promise<Result<T>>,
  ): Promise<Result<T>>;
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
}

export interface PoolConfig {
  readonly balancing: Balancing;
  readonly healthEveryMs: number;
  readonly healthTimeoutMs: number;
}

export const poolDefaults: PoolConfig = {
  balancing: 'least-loaded',
  healthEveryMs: 10_000,
  healthTimeoutMs: 2_000,
};

interface Member extends PoolMember {
  readonly breaker: Breaker;
  readonly bulkhead: Bulkhead;
  outlier: OutlierState;
  healthy: boolean;
  succeeded: number;
  failed: number;
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
    }),
  );
  const tokens = createRetryTokens();
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

  const offering = (model: string, method: 'infer' | 'chat' | 'embed') =>
    pool.filter(
      (member) => member.upstream[method] !== undefined && theirs(member, model) !== undefined,
    );

  const attempt = async <T>(member: Member, call: () => Promise<Result<T>>): Promise<Result<T>> => {
    const place = member.bulkhead.enter();
    if (!place.ok) return place;
    member.breaker.admits();
    const result = await call();
    place.value.leave();
    const sick = !result.ok && isTheirFault(result.error);
    member[sick ? 'failed' : 'succeeded'] += 1;
    member.breaker[sick ? 'failed' : 'succeeded']();
    heard(member, sick ? 'failed' : 'succeeded');
    tokens[sick ? 'failed' : 'succeeded']();
    return result;
  };

  const check = async (): Promise<void> => {
    const { healthTimeoutMs, healthEveryMs } = config;
    const looks = pool.map(async (member) => {
      const terms = { leftMs: healthTimeoutMs, signal: closing.signal };
      const well = await member.upstream.health(terms);
      member.healthy = well.ok;
      if (well.ok) heard(member, 'healthy');
    });
    await Promise.all(looks);
    if (!closing.signal.aborted) timer = clock.after(healthEveryMs, () => void check());
  };
  let timer = clock.after(config.healthEveryMs, () => void check());

  return {
    offers: (model, method) => offering(model, method).length > 0,
    async ask(model, method, terms, call) {
      const untilMs = clock.monotonicMs() + terms.leftMs;
      const asked = new Set<Member>();
      let last: Failure | undefined;
      let lastTier: number | undefined;
      for (;;) {
        const candidates = offering(model, method)
          .filter((member) => !asked.has(member))
          .map((member) => ({
            member,
            tier: member.tier,
            weight: member.weight,
            underWay: member.bulkhead.inside(),
            available: isAvailable(member),
          }));
        const chosen = chooseUpstream(candidates, config.balancing, random.next());
        if (chosen === undefined)
          return err(last ?? failure('unavailable', `no upstream for '${model}' is available`));
        if (chosen.tier === lastTier && !tokens.admits() && last !== undefined) {
          for (const { member, tier } of candidates) if (tier === lastTier) asked.add(member);
          continue;
        }
        const { member } = chosen;
        asked.add(member);
        lastTier = chosen.tier;
        const leftMs = untilMs - clock.monotonicMs();
        const result = await attempt(member, () =>
          withDeadline(
            clock,
            leftMs,
            (signal) =>
              call(member.upstream, theirs(member, model) ?? model, {
                leftMs,
                signal,
              }),
            terms.signal,
          ),
        );
        if (result.ok || !mayAskAnother(result.error)) return result;
        if (terms.signal?.aborted || clock.monotonicMs() >= untilMs) return result;
        last = result.error;
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
      })),
    close() {
      closing.abort();
      timer.cancel();
    },
  };
}

const theirs = ({ models }: PoolMember, model: string): string | undefined =>
  models[model] ?? (models['*'] === undefined ? undefined : model);

/** What another upstream may know, or may be able to do now. */
const mayAskAnother = ({ code, retryable }: Failure): boolean =>
  retryable ||
  code === 'model_not_found' ||
  code === 'unauthenticated' ||
  code === 'permission_denied';

/** A question that nobody could answer says nothing about who was asked. */
const isTheirFault = ({ retryable, code }: Failure): boolean =>
  retryable || code === 'unauthenticated' || code === 'permission_denied';
