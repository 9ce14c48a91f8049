export { type Judged, judge } from './calibrate-exit.ts';
export {
  type ChooseOptions,
  chooseThreshold,
  type MethodName,
  methodNames,
  methods,
  type Outcome,
  type Threshold,
} from './choose-threshold.ts';
export { fitDomain } from './fit-domain.ts';
export { type LossName, losses } from './loss.ts';
export type { Observed } from './observed.ts';
export { fitTemperature } from './temperature.ts';
