// What the cloud is told of a state: one op for each durable transition.

import type { UpdateReport } from '@skerry/sync-protocol/update';
import { contentOf, type ModelUpdate } from './update-record.ts';

export function reportOf(model: string, update: ModelUpdate): UpdateReport | undefined {
  const { state, active } = update;
  if (state.kind === 'idle') return undefined;
  const { bundle, version, counter, attempt, rollout } = state.goal;
  const running = contentOf(update, active)?.bundle;
  const evidence = 'evidence' in state ? state.evidence : {};
  const arm = 'arm' in state.goal ? state.goal.arm : undefined;
  return {
    kind: 'update-report',
    model,
    version,
    bundle,
    counter,
    state: state.kind,
    attempt,
    ...(rollout === undefined ? {} : { rollout }),
    ...(arm === undefined ? {} : { arm }),
    ...('reason' in state ? { reason: state.reason } : {}),
    ...(running === undefined ? {} : { running }),
    ...('moved' in state ? { moved: state.moved } : {}),
    ...evidence,
  };
}
