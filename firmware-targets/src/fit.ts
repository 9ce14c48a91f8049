// Whether a variant of a bundle fits a target, before a byte of it is sent there. Pure: it judges what the manifest
// says. What it cannot know (the graph's inner tensors) it estimates high, by the formulas below.
//
//   disk    = 2 × bytes of the edge stages' files              (slots A and B)
//   memory  = what each edge stage's session takes             (models/src/bundle/session-memory.ts)
//           + 2 × inferQueueMax × bytes of one input           (requests that wait)
//   latency = multiply-accumulates of the edge stages ÷ the target's rate, where the manifest's card counts them

import {
  type Datatype,
  type ExecutionProvider,
  exampleBytes,
  type Manifest,
  type Stage,
  sessionMemoryBytes,
  type Variant,
} from '@skerry/models';
import type { LanguageModel } from '@skerry/models/node';
import { agentConfigOf, type Target } from './target.ts';

/** The running build and the one before it. */
const slots = 2;
/** A waiting request is its HTTP body and the tensor for the worker. */
const inputCopies = 2;
/** What the runtimes in models/ drive on a target: in a page wasm, and of a machine's what its agent is told to use. */
const drivenProviders = (target: Target): readonly ExecutionProvider[] => [
  'wasm',
  ...agentConfigOf(target).executionProviders,
];
const macsMetric = 'macsAtEdge';

export interface Needs {
  readonly diskBytes: number;
  readonly memoryBytes: number;
  /** Undefined where the bundle does not say how much it computes. */
  readonly latencyMs: number | undefined;
}

export interface Reason {
  readonly code:
    | 'unknown-variant'
    | 'no-edge-stage'
    | 'execution-provider'
    | 'datatype'
    | 'disk'
    | 'memory'
    | 'latency';
  readonly message: string;
}

export type Fit =
  | { readonly fits: true; readonly provider: ExecutionProvider; readonly needs: Needs }
  | { readonly fits: false; readonly reasons: readonly Reason[] };

/** All reasons against it, not only the first. */
export function fit(manifest: Manifest, variantName: string, target: Target): Fit {
  const variant = manifest.variants.find(({ name }) => name === variantName);
  if (variant === undefined)
    return misfit('unknown-variant', `bundle ${manifest.name} has no variant ${variantName}`);
  const stages = manifest.stages.filter(({ side }) => side === 'edge');
  if (stages.length === 0)
    return misfit('no-edge-stage', `bundle ${manifest.name} has no stage for a device`);
  const driven = drivenProviders(target);
  const provider = target.executionProviders.find((name) => driven.includes(name));
  const needs = needsOf(manifest, variant, stages, target);
  const reasons = [
    ...providerReasons(provider, target),
    ...datatypeReasons(stages, target),
    ...budgetReasons(needs, target),
  ];
  return provider !== undefined && reasons.length === 0
    ? { fits: true, provider, needs }
    : { fits: false, reasons };
}

/**
 * Whether a language model fits beside it: once on disk, since a release and no update brings it, and in memory as it was
 * measured. How long it takes to say something no profile knows.
 */
export function fitLanguageModel({ model, memoryBytes }: LanguageModel, target: Target): Fit {
  const provider = target.executionProviders.find((name) => name === 'cpu');
  const needs = { diskBytes: model.bytes, memoryBytes, latencyMs: undefined };
  const reasons = [...providerReasons(provider, target), ...budgetReasons(needs, target)];
  return provider !== undefined && reasons.length === 0
    ? { fits: true, provider, needs }
    : { fits: false, reasons };
}

const misfit = (code: Reason['code'], message: string): Fit => ({
  fits: false,
  reasons: [{ code, message }],
});

function needsOf(
  manifest: Manifest,
  variant: Variant,
  stages: readonly Stage[],
  target: Target,
): Needs {
  const fileBytes = ({ name }: Stage): number => variant.files[name]?.bytes ?? 0;
  const inputBytes = sum(manifest.inputs.map(exampleBytes));
  const { inferQueueMax } = agentConfigOf(target);
  const macs = manifest.card.metrics[macsMetric];
  return {
    diskBytes: slots * sum(stages.map(fileBytes)),
    memoryBytes:
      sum(stages.map((stage) => sessionMemoryBytes(stage, fileBytes(stage)))) +
      inputCopies * inferQueueMax * inputBytes,
    latencyMs: macs === undefined ? undefined : (1000 * macs) / target.macsPerSecond,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

function* providerReasons(
  provider: ExecutionProvider | undefined,
  target: Target,
): Generator<Reason> {
  if (provider !== undefined) return;
  const { name, executionProviders } = target;
  const message = `${name} has ${executionProviders.join(', ')}; the runtimes drive ${drivenProviders(target).join(', ')} there`;
  yield { code: 'execution-provider', message };
}

function* datatypeReasons(stages: readonly Stage[], target: Target): Generator<Reason> {
  const used = new Set<Datatype>(
    stages.flatMap(({ inputs, outputs }) => [...inputs, ...outputs].map((t) => t.datatype)),
  );
  for (const datatype of used)
    if (!target.datatypes.includes(datatype))
      yield {
        code: 'datatype',
        message: `the edge stages use ${datatype}, ${target.name} does not`,
      };
}

function* budgetReasons(needs: Needs, { name, budget }: Target): Generator<Reason> {
  const over = (what: string, need: string, have: string): string =>
    `${what}: needs ${need}, ${name} has ${have}`;
  if (needs.diskBytes > budget.diskBytes)
    yield {
      code: 'disk',
      message: over('disk', mebibytes(needs.diskBytes), mebibytes(budget.diskBytes)),
    };
  if (needs.memoryBytes > budget.memoryBytes)
    yield {
      code: 'memory',
      message: over('memory', mebibytes(needs.memoryBytes), mebibytes(budget.memoryBytes)),
    };
  if (needs.latencyMs !== undefined && needs.latencyMs > budget.latencyMs)
    yield {
      code: 'latency',
      message: over('latency', milliseconds(needs.latencyMs), milliseconds(budget.latencyMs)),
    };
}

export const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
export const milliseconds = (ms: number): string => `${ms.toFixed(1)} ms`;
