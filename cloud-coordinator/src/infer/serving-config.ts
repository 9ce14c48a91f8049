// How models are served: for all of them, and for one by its name. The same words in both places.

import { countSchema, nameSchema, orItsJson } from '@skerry/shared';
import { z } from 'zod';

import type { HostLimits } from './hosted-model.ts';

const hourMs = 3_600_000;

export const servingFields = {
  inferInstances: countSchema(1, 64),
  inferQueueRowsMax: countSchema(1, 1_000_000),
  queueTimeoutMs: countSchema(0, hourMs),
  queueTimeoutAction: z.enum(['reject', 'delay']),
  queueTimeoutOverride: z.enum(['allow', 'ignore']),
  batchRowsMax: countSchema(1, 4_096),
  batchDelayMs: countSchema(0, 10_000),
};

const servingSchema = z.strictObject(servingFields);
type Serving = z.output<typeof servingSchema>;

export const modelServingSchema = orItsJson(z.record(nameSchema, servingSchema.partial())).default(
  {},
);

interface ServingConfig extends Serving {
  readonly modelServing: z.output<typeof modelServingSchema>;
  readonly inferPriorities: number;
  readonly threads: number;
}

/** What holds for a model: its own settings, and the general ones where it has none. */
export function limitsOf(config: ServingConfig, model: string): HostLimits {
  // Not `config.modelServing[model]` alone: a model may be called `constructor`.
  const own = Object.hasOwn(config.modelServing, model) ? config.modelServing[model] : {};
  // JSON has no undefined, though zod says that what is left out may be it.
  const serving: Serving = { ...config, ...(own as Partial<Serving>) };
  return {
    threads: config.threads,
    priorities: config.inferPriorities,
    slots: serving.inferInstances,
    rowsMax: serving.batchRowsMax,
    delayMs: serving.batchDelayMs,
    queueRowsMax: serving.inferQueueRowsMax,
    timeoutAction: serving.queueTimeoutAction,
    defaultTimeoutMs: serving.queueTimeoutMs,
    allowTimeoutOverride: serving.queueTimeoutOverride === 'allow',
  };
}
