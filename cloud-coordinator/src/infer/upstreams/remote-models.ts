// Models that only upstreams have, served as if they were ours: what they take and give is asked of those who have them,
// again and again, so that a server which was away at start is found later, and one that is gone is not ready any more.

import { isBatched, type TensorMap, type TensorSpec } from '@skerry/models';
import {
  createModelStatistics,
  deadlineLeftMsOf,
  deadlineMsSchema,
  failReasonOf,
  type ServedModel,
} from '@skerry/models/open-inference';
import { type Clock, describeIssues, err, failure, type Log, ok, type Timer } from '@skerry/shared';
import { z } from 'zod';
import type { TensorRoute } from './tensor-route.ts';
import type { DescribedModel, Terms, Upstream } from './upstream.ts';
import type { PoolMember, UpstreamPool } from './upstream-pool.ts';

export interface RemoteModels {
  /** Those that have been described, in the order of the upstreams. */
  models(): readonly ServedModel[];
  /** What the upstreams have now. Called at start; after that it happens by itself. */
  refresh(): Promise<void>;
  close(): void;
}

export interface RemoteModelsPorts {
  readonly pool: Pick<UpstreamPool, 'isAvailable'>;
  readonly route: TensorRoute;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RemoteModelsConfig {
  readonly refreshEveryMs: number;
  /** Of one question to one upstream. */
  readonly refreshTimeoutMs: number;
}

interface Remote {
  described: DescribedModel;
  readonly served: ServedModel;
}

/** All others are for servers that batch: this asks one request at a time. */
const parametersSchema = z.looseObject({ skerry_deadline_ms: deadlineMsSchema });

type Member = Pick<PoolMember, 'upstream' | 'models'>;

export function createRemoteModels(
  members: readonly Member[],
  { refreshEveryMs, refreshTimeoutMs }: RemoteModelsConfig,
  ports: RemoteModelsPorts,
): RemoteModels {
  const { clock, log } = ports;
  const remotes = new Map<string, Remote>();
  const closing = new AbortController();
  let timer: Timer | undefined;
  const terms = (): Terms => ({ leftMs: refreshTimeoutMs, signal: closing.signal });

  const look = async ({ upstream, models }: Member, seen: Map<string, DescribedModel>) => {
    for (const [name, theirs] of await namesOf(upstream, models, terms())) {
      if (seen.get(name)?.ready) continue;
      const described = await upstream.describe?.(theirs, terms());
      if (described?.ok) seen.set(name, described.value);
      else if (described)
        log.debug({ model: name, code: described.error.code }, described.error.message);
    }
  };
  const refresh = async (): Promise<void> => {
    const seen = new Map<string, DescribedModel>();
    const able = members.filter(({ upstream }) => upstream.describe !== undefined);
    await Promise.all(able.map((member) => look(member, seen)));
    for (const [name, described] of seen) {
      const known = remotes.get(name);
      if (known !== undefined && isAlike(known.described, described)) known.described = described;
      else remotes.set(name, serve(name, described, ports));
    }
    // Whoever is away says nothing of what it has: it stays known, and is not ready.
    for (const [name, remote] of remotes)
      if (!seen.has(name)) remote.described = { ...remote.described, ready: false };
  };
  const again = (): void => {
    timer = clock.after(refreshEveryMs, async () => {
      await refresh();
      if (!closing.signal.aborted) again();
    });
  };
  if (members.some(({ upstream }) => upstream.describe !== undefined)) again();
  return {
    models: () => [...remotes.values()].map(({ served }) => served),
    refresh,
    close() {
      closing.abort();
      timer?.cancel();
    },
  };
}

/** Our names and theirs: of all that a server has, where it answers for all. */
async function namesOf(
  { list }: Upstream,
  models: PoolMember['models'],
  terms: Terms,
): Promise<readonly (readonly [string, string])[]> {
  const named = Object.entries(models).filter(([name]) => name !== '*');
  if (models['*'] === undefined) return named;
  const listed = (await list?.(terms)) ?? ok([]);
  return listed.ok ? [...named, ...listed.value.map((name) => [name, name] as const)] : named;
}

/** Its statistics go on as long as what it takes and gives is the same. */
const isAlike = (
  { ready: _, ...a }: DescribedModel,
  { ready: __, ...b }: DescribedModel,
): boolean => JSON.stringify(a) === JSON.stringify(b);

function serve(name: string, described: DescribedModel, ports: RemoteModelsPorts): Remote {
  const { pool, route, clock } = ports;
  const { version, platform, inputs, outputs } = described;
  const statistics = createModelStatistics();
  const wanted = outputs.map((output) => output.name);
  const remote: Remote = {
    described,
    served: {
      description: {
        name,
        version,
        platform,
        inputs,
        outputs,
        properties: { served_by: 'upstream' },
      },
      ready: () => remote.described.ready && pool.isAvailable(name, 'infer'),
      statistics,
      async infer(request, caller) {
        const read = parametersSchema.safeParse(request.parameters);
        if (!read.success)
          return err(failure('invalid_argument', `parameters: ${describeIssues(read.error)}`));
        const leftMs = deadlineLeftMsOf(read.data.skerry_deadline_ms, caller);
        const startedMs = clock.monotonicMs();
        const ran = await route(
          name,
          request.inputs,
          request.outputs ?? wanted,
          leftMs ?? Number.POSITIVE_INFINITY,
          caller.signal(),
        );
        const tookMs = clock.monotonicMs() - startedMs;
        statistics.ended(tookMs, ran.ok ? undefined : failReasonOf(ran.error.code));
        if (!ran.ok) return ran;
        statistics.ran(rowsOf(inputs, request.inputs), [0], tookMs, clock.nowMs());
        return ok({ outputs: ran.value, parameters: {} });
      },
    },
  };
  return remote;
}

function rowsOf([first]: readonly TensorSpec[], tensors: TensorMap): number {
  return first && isBatched(first.shape) ? (tensors[first.name]?.shape[0] ?? 1) : 1;
}
