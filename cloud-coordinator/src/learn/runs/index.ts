export { countsOf } from './explain-run.ts';
export { readBlob, runOwner } from './model-blobs.ts';
export type {
  BaseModel,
  BaseModels,
  Candidates,
  LearnDevices,
  QueriedBase,
  TaskStore,
} from './ports.ts';
export type {
  AggregateDone,
  AggregateWork,
  ReadPart,
  RoundNumbers,
  UnmaskDone,
  UnmaskWork,
} from './round-numbers.ts';
export { numbersHere } from './round-numbers.ts';
export {
  type Contribution,
  contributionSchema,
  evaluationSchema,
  metricsSchema,
  type RunEvent,
  workKinds,
} from './run-event.ts';
export { type RunPlan, type RunPlanInput, runPlanSchema } from './run-plan.ts';
export { answered, isOfRound, type RoundSummary, type RunState } from './run-state.ts';
export { type LearnRuns, openRuns, type RunsLimits, type RunsPorts } from './runs.ts';
export type { LearnDevice } from './select-clients.ts';
