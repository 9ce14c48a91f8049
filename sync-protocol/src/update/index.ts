export {
  type Assignment,
  assignedModelsMax,
  assignmentBytesMax,
  assignmentPayloadType,
  assignmentSchema,
  type DeltaOffer,
  deltaOffersMax,
  type HealthLimits,
  type ModelAssignment,
  modelAssignmentSchema,
  quarantinedMax,
  readAssignment,
} from './assignment.ts';
export {
  type Health,
  healthLabelsMax,
  healthSchema,
  type UpdateReport,
  type UpdateState,
  updateReportSchema,
  updateStates,
} from './report.ts';
export { type Arm, armOf, stableShare } from './stable-share.ts';
