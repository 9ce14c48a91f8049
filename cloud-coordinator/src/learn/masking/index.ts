export {
  checkKeys,
  closeMasked,
  isDue,
  type MaskedPorts,
  type MaskedStage,
  maskedStageSchema,
  maskedWork,
  openMaskedRound,
  openMaskedSum,
  takeMasked,
  updateOf,
} from './masked-round.ts';
export { countingPlanOf, maskingSchema, noisedPlanOf, securePlanOf } from './masking-plan.ts';
