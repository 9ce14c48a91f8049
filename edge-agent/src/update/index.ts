export { planUpdate, type Step, type UpdateWorld } from './plan-update.ts';
export { reportOf } from './report-of.ts';
export {
  contentOf,
  initialUpdate,
  isUnderWay,
  type ModelUpdate,
  type Moment,
} from './update-record.ts';
export { transition, type UpdateEvent } from './update-state.ts';
