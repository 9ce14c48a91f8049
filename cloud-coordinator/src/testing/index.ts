export {
  createMemoryAssignmentStore,
  createMemoryRolloutDisk,
  createMemoryRolloutStore,
  type MemoryRolloutDisk,
} from './memory-rollout-stores.ts';
export {
  type AssignmentDatabase,
  assignmentStoreContract,
  type RolloutDatabase,
  rolloutStoreContract,
} from './rollout-stores-contract.ts';
