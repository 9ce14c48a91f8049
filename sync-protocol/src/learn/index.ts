export {
  type DeclineReason,
  declineReasons,
  type LearnReply,
  type LearnStatus,
  type LearnTask,
  learnReplySchema,
  learnStatusSchema,
  learnTaskSchema,
  type SecureStage,
  secureBytesMax,
  secureStages,
} from './messages.ts';
export {
  layoutSize,
  layoutSizeMax,
  type ParameterLayout,
  parameterLayoutSchema,
  readVector,
  sameLayout,
  tensorsOf,
  vectorBytes,
  vectorOf,
} from './parameter-layout.ts';
export {
  type Compression,
  compressionSchema,
  type LearnPlan,
  learnPlanBytes,
  learnPlanBytesMax,
  learnPlanSchema,
  learnPlanVersionOf,
  learnPlanVersions,
  readLearnPlan,
} from './plan.ts';
export {
  decodeUpdate,
  type EncodedUpdate,
  type EncodeOptions,
  encodeUpdate,
  keptOf,
  updateBytesMax,
} from './update-codec.ts';
