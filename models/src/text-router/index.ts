export { calibrateTextRouter } from './calibrate-text-router.ts';
export { createTextRouter, type TextRouter, textRouterSchema } from './text-router.ts';
export {
  type AnsweredQuestion,
  qualityLoss,
  type TextRouterOptions,
  trainTextRouter,
} from './train-text-router.ts';
