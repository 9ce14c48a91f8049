export {
  type LearnDesk,
  type LearnDevicesOptions,
  type LearnResult,
  type PlayedDevices,
  playDevices,
} from './learn-devices.ts';
export { learnStartMs } from './learn-fleet.ts';
export { bindChance } from './log-bound-chance.ts';
export {
  createMemoryAssignmentStore,
  createMemoryEventStore,
  createMemoryRolloutDisk,
  type MemoryRolloutDisk,
} from './memory-rollout-stores.ts';
export type { ModelDevice, ModelDeviceOptions } from './model-device.ts';
export { createModelFleet, type ModelFleet, type ModelFleetOptions } from './model-fleet.ts';
export { type Behaviour, createHealthSource, goodBehaviour } from './model-health.ts';
export {
  type AssignmentDatabase,
  assignmentStoreContract,
  type EventDatabase,
  eventStoreContract,
} from './rollout-stores-contract.ts';
export { sampleRunPlan } from './run-turns.ts';
