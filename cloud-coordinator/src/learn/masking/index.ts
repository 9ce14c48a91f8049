export {
  checkKeys,
  closeMasked,
  isDue,
  type MaskedPorts,
  type MaskedStage,
  maskedStageSchema,
  maskedWork,
  openMaskedRound,
  takeMasked,
  updateOf,
} from './masked-round.ts';
export { maskingSchema, securePlanOf } from './masking-plan.ts';
