// The strategy of a run, with the tensors kept out of it that never leave a device.

import type { Result } from '@skerry/shared';
import type { ParameterLayout } from '@skerry/sync-protocol/learn';
import { createStrategy, keepPersonal, type Strategy } from '../strategies/index.ts';
import type { RunPlan } from './run-plan.ts';

/** Fails with `invalid_argument` for a personal tensor that the layout has not. */
export const strategyOf = (
  { strategy, work }: Pick<RunPlan, 'strategy' | 'work'>,
  layout: ParameterLayout,
): Result<Strategy> => keepPersonal(createStrategy(strategy), layout, work.personal ?? []);
