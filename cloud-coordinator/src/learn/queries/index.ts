export {
  type AskedQuery,
  askedQuerySchema,
  cellNamesOf,
  obstaclesToQuery,
  queryBaseOf,
  queryPlanOf,
  questionOf,
} from './asked-query.ts';
export { quantilesOf } from './quantiles.ts';
export { type Answer, type Tally, tallyAnswers, tallySchema, tallySum } from './tally.ts';
