// Texts of a device: from the weak model at hand where a text router trusts it, else from the coordinator, else from who
// there is, marked as degraded. route/decide.ts decides.

import {
  type ChatReply,
  type EmbeddingsReply,
  questionOf,
  type TextServer,
  type TextTerms,
  watchStream,
} from '@skerry/models/openai';
import type { TextRouter } from '@skerry/models/text-router';
import { err, failure, ok, type Result } from '@skerry/shared';
import { createBulkhead, withDeadline } from '@skerry/shared/resilience';
import { type Policy, policies } from '../route/decide.ts';
import type { TextSource } from './next-source.ts';
import { createSourceAsker, type SourceAskerPorts } from './source-asker.ts';

export interface DeviceTextPorts extends SourceAskerPorts {
  /** Whoever there is. */
  readonly sources: Partial<Record<TextSource, TextServer>>;
  readonly trusted?: TrustedQuestions | undefined;
}

/** Which questions the weak model may be trusted with, learned from what it and a strong one have answered. */
export interface TrustedQuestions {
  readonly router: TextRouter;
  readonly threshold: number | null;
}

export interface DeviceTextConfig {
  /** Where a request names none. */
  readonly policy: Policy;
  /** The local server's own name of its model; the request's where it is absent. */
  readonly textUpstreamModel?: string | undefined;
  readonly textRequestsMax: number;
}

/** Of a list of models: whoever is slow to tell is left out. */
const listTimeoutMs = 2_000;
const namesKeptMs = 30_000;
/** That it did not tell: each who asks would wait for it again. */
const noNamesKeptMs = 5_000;
const busyRetryAfterMs = 1_000;

export function createDeviceText(
  config: DeviceTextConfig,
  { sources, trusted, ...ports }: DeviceTextPorts,
): TextServer & Required<Pick<TextServer, 'embed'>> {
  const places = createBulkhead('texts', config.textRequestsMax);
  const answer = createSourceAsker(ports);
  const localNames = createNames(sources.local, ports);
  const present = (...names: readonly TextSource[]): readonly TextSource[] =>
    names.filter((name) => sources[name] !== undefined);

  /** One place for each request, until its answer, or its stream, has ended. */
  const admit = async <R extends ChatReply | EmbeddingsReply>(
    terms: TextTerms,
    work: (policy: Policy) => Promise<Result<R>>,
  ): Promise<Result<R>> => {
    const policy = policyOf(terms, config.policy);
    if (!policy.ok) return policy;
    const place = places.enter();
    if (!place.ok) return err({ ...place.error, retryAfterMs: busyRetryAfterMs });
    const { leave } = place.value;
    let streams = false;
    try {
      const reply = await work(policy.value);
      if (!reply.ok || !('chunks' in reply.value)) return reply;
      streams = true;
      return ok({ ...reply.value, chunks: watchStream(reply.value.chunks, terms.signal, leave) });
    } finally {
      if (!streams) leave();
    }
  };

  return {
    name: 'device',
    async list(terms) {
      const there = sources.cloud?.list(shortly(terms));
      const [here, cloud] = await Promise.all([localNames(terms), there]);
      return ok([...new Set([...here, ...(cloud?.ok ? cloud.value : [])])].sort());
    },
    chat: (request, terms) =>
      admit(terms, (policy) => {
        const model = config.textUpstreamModel ?? request.model;
        const route = sources.local && trusted?.router.route(questionOf(request));
        const question = {
          bytes: bytesOf(request),
          threshold: trusted?.threshold ?? null,
          ...(route === undefined ? {} : { confidence: route.confidence }),
          sources: present('local', 'cloud', 'answers'),
          async ask(source: TextSource, left: TextTerms): Promise<Result<ChatReply>> {
            const asked = source === 'local' ? { ...request, model } : request;
            return (await sources[source]?.chat(asked, left)) ?? nobody;
          },
        };
        return answer(question, policy, terms);
      }),
    embed: (request, terms) =>
      admit(terms, async (policy) => {
        // Vectors of another model are of no use: the local one stands in for none but itself, and then as it is.
        const isHere = (await localNames(terms)).includes(request.model);
        const question = {
          bytes: bytesOf(request),
          threshold: 0,
          sources: isHere ? present('local', 'cloud') : present('cloud'),
          async ask(source: TextSource, left: TextTerms): Promise<Result<EmbeddingsReply>> {
            return (await sources[source]?.embed?.(request, left)) ?? nobody;
          },
        };
        return answer(question, policy, terms);
      }),
  };
}

const nobody = err(failure('model_not_found', 'nobody here can answer that'));
/** As they travel: in UTF-8. */
const bytesOf = (request: object): number =>
  new TextEncoder().encode(JSON.stringify(request)).length;
const shortly = (terms: TextTerms): TextTerms => ({
  ...terms,
  leftMs: Math.min(terms.leftMs, listTimeoutMs),
});

function policyOf({ policy }: TextTerms, otherwise: Policy): Result<Policy> {
  const named = policies.find((each) => each === (policy ?? otherwise));
  return named === undefined
    ? err(failure('invalid_argument', `skerry-policy: expected one of ${policies.join(', ')}`))
    : ok(named);
}

/** The names of a server's models, asked now and then, and once for all who ask meanwhile; none where it did not tell. */
function createNames(
  server: TextServer | undefined,
  { clock }: Pick<SourceAskerPorts, 'clock'>,
): (terms: TextTerms) => Promise<readonly string[]> {
  let names: readonly string[] = [];
  let untilMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<Result<readonly string[]>> | undefined;
  // Not by the terms of who asks first: others wait for the same list.
  const ask = async (from: TextServer): Promise<Result<readonly string[]>> => {
    const listed = await withDeadline(clock, listTimeoutMs, (signal) =>
      from.list({ leftMs: listTimeoutMs, signal }),
    );
    names = listed.ok ? listed.value : [];
    untilMs = clock.monotonicMs() + (listed.ok ? namesKeptMs : noNamesKeptMs);
    return listed;
  };
  return async ({ leftMs, signal }) => {
    if (server === undefined || clock.monotonicMs() < untilMs) return names;
    asking ??= ask(server).finally(() => {
      asking = undefined;
    });
    const shared = asking;
    const listed = await withDeadline(clock, leftMs, () => shared, signal);
    return listed.ok ? listed.value : [];
  };
}
