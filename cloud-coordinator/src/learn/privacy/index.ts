export {
  type Epsilon,
  epsilonAfter,
  epsilonOf,
  type Reading,
} from './accountant.ts';
export {
  type CentralPrivacy,
  centralPrivacySchema,
  initialClip,
  mechanismOf,
  type PrivateMean,
  type PrivateUpdate,
  privateMean,
} from './central-privacy.ts';
export {
  type DistributedPrivacy,
  distributedMechanismOf,
  distributedPrivacySchema,
  noiseOfSum,
} from './distributed-privacy.ts';
export {
  type Commitment,
  decideCommitment,
  decideRelease,
  foldLedger,
  type Ledger,
  type LedgerEvent,
  ledgerEventSchema,
  openLedger,
  openNoiseKey,
  type PrivacyBudget,
  type PrivacyStatement,
  privacyBudgetSchema,
  roundsLeft,
  spentByRound,
  spentOf,
  stateOf,
} from './ledger.ts';
export { noiseMultiplierFor } from './noise-multiplier.ts';
export { defaultOrders } from './orders.ts';
export {
  aggregatePrivately,
  checkPrivateStrategy,
  type PrivatelyAggregated,
} from './private-aggregate.ts';
export { samplePoisson } from './sample-poisson.ts';
export type { Mechanism } from './subsampled-gaussian.ts';
