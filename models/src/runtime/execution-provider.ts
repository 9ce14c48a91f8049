// What executes the operators of a graph, as ONNX Runtime names it without its suffix "ExecutionProvider", and on which of
// them a session runs. Nodes that a provider lacks fall to the cpu inside of the session.

export const executionProviders = ['cpu', 'wasm', 'webgpu', 'cuda', 'tensorrt'] as const;
export type ExecutionProvider = (typeof executionProviders)[number];

/** A provider that was wanted before the one that runs, and why it does not. */
export interface Refusal {
  readonly provider: ExecutionProvider;
  readonly reason: string;
}

export interface Execution {
  readonly provider: ExecutionProvider;
  readonly refused: readonly Refusal[];
  /** By how much it was off the cpu when it was checked, as a share of the largest value. */
  readonly difference?: number;
}

export const isAccelerated = (providers: readonly ExecutionProvider[]): boolean =>
  providers[0] !== undefined && providers[0] !== 'cpu' && providers[0] !== 'wasm';

/**
 * As properties of a model's metadata, of all its stages and instances; where nothing but the cpu was wanted there are none.
 */
export function executionProperties(
  executions: readonly Execution[],
): Readonly<Record<string, string>> {
  const refused = new Set(
    executions.flatMap((e) => e.refused.map(({ provider, reason }) => `${provider}: ${reason}`)),
  );
  const providers = new Set(executions.map(({ provider }) => provider));
  if (refused.size === 0 && !isAccelerated([...providers])) return {};
  return {
    execution_providers: [...providers].join(', '),
    ...(refused.size > 0 && { execution_refusals: [...refused].join('; ') }),
  };
}
