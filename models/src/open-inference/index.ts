export { encodeInferRequest, parseInferResponse } from './client.ts';
export { deadlineLeftMsOf, deadlineMsSchema } from './deadline.ts';
export { type InferRequest, parseInferRequest } from './request.ts';
export { createRestHandler, type RestHandler } from './rest.ts';
export type {
  Caller,
  ModelRepository,
  OpenInferenceServer,
  ServedAnswer,
  ServedModel,
} from './served-model.ts';
export {
  createModelStatistics,
  failReasonOf,
  type ModelStatistics,
  type StatisticsReading,
} from './statistics.ts';
