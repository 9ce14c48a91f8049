export { createVirtualClock, type VirtualClock } from '@skerry/shared/testing';
export { blobReferencesContract } from './blob-references-contract.ts';
export { type BlobDisk, blobStoreContract } from './blob-store-contract.ts';
export { type CoordinatorDisk, coordinatorStoreContract } from './coordinator-store-contract.ts';
export { cryptographyContract } from './cryptography-contract.ts';
export { type DeviceDisk, deviceStoreContract } from './device-store-contract.ts';
export { createDocumentFleet, type DocumentFleet, type FleetDevice } from './document-fleet.ts';
export {
  type DocumentDisk,
  documentLogContract,
  followerStoreContract,
  memberStoreContract,
} from './document-stores-contract.ts';
export { createInlineEngine } from './inline-engine.ts';
export { createMemoryBlobReferences } from './memory-blob-references.ts';
export { createMemoryBlobStore, type MemoryBlobDisk } from './memory-blob-store.ts';
export {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  type MemoryCoordinatorDisk,
} from './memory-coordinator-store.ts';
export {
  createMemoryDeviceDisk,
  createMemoryDeviceStore,
  type MemoryDeviceDisk,
} from './memory-device-store.ts';
export {
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  createMemoryFollowerStore,
  createMemoryMemberStore,
  type MemoryDocumentDisk,
} from './memory-documents.ts';
export { createMemoryPipe, type Damage, type Fate, type MemoryPipe } from './memory-pipe.ts';
export { openOpsContract } from './open-ops-contract.ts';
export { type SampleBlob, sampleBlob } from './sample-blob.ts';
export {
  sampleAcks,
  sampleAnswer,
  sampleAssignment,
  sampleDocumentChange,
  sampleEscalation,
  sampleExchange,
  sampleForget,
  sampleLearnPlan,
  sampleLearnReply,
  sampleLearnTask,
  sampleModelAssignment,
  sampleQuestion,
  sampleReply,
  sampleStatus,
  sampleTelemetry,
  sampleTurn,
  sampleUpdateReport,
  sampleUpOp,
} from './samples.ts';
export {
  createSecureCohort,
  openPlayedRound,
  type PlayedRound,
  plainSum,
  playSecureRound,
  type RoundScript,
  type SecureCohort,
  sampleInput,
  sampleSecurePlan,
  sampleSession,
  wordsOfSum,
} from './secure-cohort.ts';
export { type PipeFixture, transportContract } from './transport-contract.ts';
