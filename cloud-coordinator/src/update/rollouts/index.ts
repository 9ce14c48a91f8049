export { readEvents, writeEvent } from '../../event-log/event-log.ts';
export { type Selectable, type Selection, selects } from '../../fleet/selection.ts';
export { observe, tally } from './due-events.ts';
export { type ExperimentReport, evaluateExperiment } from './evaluate-experiment.ts';
export { evaluateGate, type Observed } from './evaluate-gate.ts';
export type { FleetState } from './fleet-state.ts';
export type {
  AssignmentSigner,
  AssignmentStore,
  BundleDirectory,
  DeviceDirectory,
  FleetDevice,
  IssuedAssignment,
  MadeDelta,
  ResolvedBundle,
  SignedAssignment,
} from './ports.ts';
export {
  type BundleRef,
  type Evidence,
  type FleetEvent,
  fleetEventSchema,
  type RolloutEvent,
  rolloutEventSchema,
  type Tally,
  tallySchema,
  type Verdict,
  verdictSchema,
  type Wave,
} from './rollout-event.ts';
export {
  type Comparison,
  type GateLimits,
  type RatioLimit,
  type RolloutPlan,
  type RolloutPlanInput,
  rolloutPlanSchema,
} from './rollout-plan.ts';
export { type Phase, type RolloutState, replay } from './rollout-state.ts';
export {
  type Decisions,
  decisions,
  type Order,
  openRollouts,
  type Rollouts,
  type RolloutsLimits,
  type RolloutsPorts,
} from './rollouts.ts';
export { type TimeToSafe, timeToSafe } from './time-to-safe.ts';
