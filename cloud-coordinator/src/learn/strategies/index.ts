export {
  aggregateEvaluate,
  type EvaluatedGroup,
  type EvaluateReport,
  type EvaluateResult,
  type Spread,
} from './aggregate-evaluate.ts';
export { createStrategy } from './create-strategy.ts';
export { keepPersonal } from './keep-personal.ts';
export { decodeState, type EncodedState, encodeState } from './state-codec.ts';
export {
  type Aggregated,
  type AggregateReport,
  type ClientShare,
  type ClientUpdate,
  type EvaluateConfig,
  type LeftOutReason,
  type Strategy,
  type StrategyState,
  type StrategyTraits,
  startLossMetric,
  type TrainConfig,
} from './strategy.ts';
export {
  type StrategyOptions,
  type StrategyOptionsInput,
  strategyOptionsSchema,
} from './strategy-options.ts';
