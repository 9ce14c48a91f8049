// The upstreams of the configuration, each by the adapter of its kind.

import { readFile } from 'node:fs/promises';
import { createOpenAiServer } from '@skerry/models/node';
import { createPrecomputedAnswers } from '@skerry/models/openai';
import { collect, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { createTextUpstream } from '../infer/upstreams/text-upstream.ts';
import type { Upstream } from '../infer/upstreams/upstream.ts';
import type { PoolMember } from '../infer/upstreams/upstream-pool.ts';
import type { UpstreamConfig } from '../infer/upstreams/upstreams-config.ts';
import { createOpenInferenceUpstream } from './open-inference-upstream.ts';

/** Fails with `invalid_config` where a file of answers is none. A server that is away is no error: it may come. */
export async function openUpstreams(
  configs: readonly UpstreamConfig[],
): Promise<Result<readonly PoolMember[]>> {
  return collect(
    await Promise.all(
      configs.map(async (config): Promise<Result<PoolMember>> => {
        const upstream = await openUpstream(config);
        if (!upstream.ok) return upstream;
        const { models, tier, weight, concurrentMax, kind } = config;
        const always = kind === 'precomputed';
        return ok({ upstream: upstream.value, models, tier, weight, concurrentMax, always });
      }),
    ),
  );
}

async function openUpstream(config: UpstreamConfig): Promise<Result<Upstream>> {
  const { name } = config;
  switch (config.kind) {
    case 'open-inference':
      return ok(createOpenInferenceUpstream(name, config.url, config.apiKey));
    case 'openai':
      return ok(createTextUpstream(createOpenAiServer(name, config.url, config)));
    case 'precomputed':
      try {
        const file = await readFile(config.file);
        const answers = createPrecomputedAnswers(name, file, systemClock);
        return answers.ok ? ok(createTextUpstream(answers.value)) : answers;
      } catch (thrown) {
        return err(failure('invalid_config', `${name}: ${messageOf(thrown)}`));
      }
  }
}
