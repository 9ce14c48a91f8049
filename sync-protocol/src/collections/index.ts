export { canonicalJson } from './canonical-json.ts';
export {
  type ComposedSnapshot,
  composeSnapshot,
  isSameContent,
  type SnapshotDraft,
  snapshotDraftSchema,
} from './compose-snapshot.ts';
export {
  decodeDocument,
  encodeDocument,
  passageLeaves,
  passagesRootOf,
  type TravelDocument,
} from './document-blob.ts';
export { proveInclusion } from './merkle.ts';
export { checkProof, type PassageProof, passageProofSchema } from './proof.ts';
export {
  answersBytesMax,
  entryLeaves,
  isFor,
  manifestBytesMax,
  type PageRef,
  principalSchema,
  readersMax,
  readManifest,
  readPage,
  type SnapshotEntry,
  type SnapshotManifest,
  type SnapshotName,
  type SnapshotTarget,
  snapshotEntrySchema,
  snapshotTargetPath,
  snapshotTargetSchema,
} from './snapshot.ts';
export {
  collectionsKey,
  type FollowReport,
  followReportSchema,
  type Offer,
  offerSchema,
  offersKey,
  offersSchema,
  type Subscription,
  subscriptionSchema,
  subscriptionsMax,
} from './subscription.ts';
