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
  quarantinedMax,
  readAssignment,
} from './assignment.ts';
export {
  type Health,
  healthSchema,
  type UpdateReport,
  type UpdateState,
  updateReportSchema,
  updateStates,
} from './report.ts';
