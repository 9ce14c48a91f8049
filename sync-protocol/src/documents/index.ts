export {
  type DocumentScope,
  documentScopes,
  fleetDocument,
  parseDocumentId,
  siteDocument,
  twinOf,
  type Writable,
  writableBy,
} from './document.ts';
export { documentBounds } from './document-bounds.ts';
export type { DocumentEngine } from './engine.ts';
export { createFollower, type Follower, inboxFramesMax } from './follower.ts';
export { authorOf, decodeFrame, encodeFrame, type Frame } from './frame.ts';
export { parseHeads } from './heads-json.ts';
export { type Hub, type HubLimits, type HubPorts, openHub } from './hub.ts';
export {
  type DocumentLog,
  type Quarantined,
  quarantinedBytesMax,
  quarantinedEntriesMax,
  type SavedDocument,
} from './log.ts';
export type { Member, MemberStore } from './members.ts';
export {
  createReplica,
  type DocumentState,
  type DocumentView,
  type Replica,
  type ReplicaPorts,
} from './replica.ts';
export { type RetentionLimits, retentionLimits } from './retention.ts';
export { createFrameTaker, type FrameTaker } from './take-frames.ts';
export type { FollowerStore } from './take-received.ts';
