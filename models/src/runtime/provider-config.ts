// The configuration's key for execution providers: the same for agent and coordinator.

import { listSchema } from '@skerry/shared';
import { z } from 'zod';
import type { ExecutionProvider } from './execution-provider.ts';

/** What onnxruntime-node can be built with. */
const nativeProviders = [
  'webgpu',
  'cuda',
  'tensorrt',
  'cpu',
] as const satisfies readonly ExecutionProvider[];

/** Separated by commas, in the order of preference. The cpu is what is left where no other serves, so it stands last. */
export const providersSchema = z
  .union([z.array(z.string()), listSchema])
  .pipe(z.array(z.enum(nativeProviders)))
  .refine((names) => names.at(-1) === 'cpu', 'expected cpu, last')
  .refine((names) => new Set(names).size === names.length, 'a provider is named twice')
  .prefault('cpu')
  .describe(
    'what computes models, in the order of preference: webgpu, cuda, tensorrt, cpu; one that does not open here, is slower than the cpu or computes otherwise is passed over',
  );
