export {
  askedQuerySchema,
  cellNamesOf,
  obstaclesToQuery,
  queryBaseOf,
  queryPlanOf,
  questionOf,
} from './asked-query.ts';
export { quantilesOf } from './quantiles.ts';
export { type Tally, tallyAnswers, tallyNoised, tallySchema, tallySum } from './tally.ts';
